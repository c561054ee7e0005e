import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from crm.model import Folder, Place, Ref
from infra.settings import Settings
from providers.client import CursorExpired, Retry
from providers.graph import loop
from providers.graph.client import GraphClient
from providers.graph.errors import UnexpectedAnswer
from tests.providers.graph_stub import Asked, Reply, Stub, serving

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TREE = {  # id: (name, parent)
    "ROOT": ("Top", "HIDDEN"),
    "IN": ("Posteingang", "ROOT"),
    "SENT": ("Gesendet", "ROOT"),
    "JUNK": ("Junk", "ROOT"),
    "BIN": ("Papierkorb", "ROOT"),
    "DRAFT": ("Entwürfe", "ROOT"),
    "OUT": ("Postausgang", "ROOT"),
    "CUST": ("Customers", "IN"),
    "GLOBEX": ("Globex", "CUST"),
    "OLD": ("Old", "BIN"),
    "OLDER": ("Older", "OLD"),
    "SPAM": ("Spam", "JUNK"),
}
NAMES = {
    "msgfolderroot": "ROOT",
    "inbox": "IN",
    "sentitems": "SENT",
    "junkemail": "JUNK",
    "deleteditems": "BIN",
    "drafts": "DRAFT",
    "outbox": "OUT",
    "CUST-alias": "CUST",
}


class Token:
    def token(self, fresh: bool = False) -> str:
        return "t"


@dataclass
class Mailbox:
    """Answers of a small mailbox; tests put pages of changes and rules into it."""

    stub: Stub
    rules: list = field(default_factory=list)
    pages: dict[str, Reply] = field(default_factory=dict)  # by the token of a delta link
    listing: list[list[dict]] = field(default_factory=lambda: [[]])
    messages: dict[str, dict] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Reply:
        path, _, query = asked.path.removeprefix("/v1.0/me").partition("?")
        if "/messages/delta" in path:
            return self._delta(path.split("/")[2], query)
        if path.endswith("/messageRules"):
            return Reply(200, {"value": self.rules})
        if path.startswith("/mailFolders/"):
            return self._folder(path.split("/")[2])
        if path.startswith("/messages/"):
            found = self.messages.get(path.split("/")[2])
            return Reply(200, found) if found else missing()
        assert path == "/messages", path
        return self._list(int(query.partition("page=")[2] or 0))

    def _folder(self, name: str) -> Reply:
        found = NAMES.get(name, name)
        if found not in TREE:
            return missing()
        title, parent = TREE[found]
        return Reply(200, {"id": found, "displayName": title, "parentFolderId": parent})

    def _delta(self, folder: str, query: str) -> Reply:
        token = query.partition("$deltatoken=")[2]
        if not token:
            return self.pages.get(f"{folder}:first") or self.end(folder, "0")
        return self.pages.get(token) or self.end(folder, token)

    def _list(self, number: int) -> Reply:
        body = {"value": self.listing[number]}
        if number + 1 < len(self.listing):
            body["@odata.nextLink"] = f"{self.stub.url}/me/messages?page={number + 1}"
        return Reply(200, body)

    def link(self, folder: str, token: str) -> str:
        return f"{self.stub.url}/me/mailFolders/{folder}/messages/delta?$deltatoken={token}"

    def end(self, folder: str, token: str, *items: dict) -> Reply:
        return Reply(200, {"value": list(items), "@odata.deltaLink": self.link(folder, token)})

    def more(self, folder: str, token: str, *items: dict) -> Reply:
        return Reply(200, {"value": list(items), "@odata.nextLink": self.link(folder, token)})

    @property
    def client(self) -> GraphClient:
        settings = Settings(graph_api_url=self.stub.url, public_url="http://127.0.0.1:8080")
        return GraphClient(Token(), settings, clock=lambda: NOW)

    def cursor(self, **places: str) -> str:
        return json.dumps(
            {
                folder: {"place": place, "link": self.link(folder, f"{folder}1")}
                for folder, place in places.items()
            }
        )

    def asked(self, part: str) -> list[Asked]:
        return [one for one in self.stub.asked if part in one.path]


def missing() -> Reply:
    return Reply(404, {"error": {"code": "ErrorItemNotFound", "message": "x"}})


@pytest.fixture
def box():
    with serving(Stub()) as stub:
        mailbox = Mailbox(stub)
        stub.script = mailbox.answer
        yield mailbox
        loop.shutdown()


def rule(name: str, *, enabled: bool = True, error: bool = False, **actions) -> dict:
    return {
        "id": name, "displayName": name, "sequence": 1, "isEnabled": enabled, "hasError": error,
        "isReadOnly": False, "actions": actions,
    }  # fmt: skip


def mail(number: int, folder: str = "IN", **more) -> dict:
    return {
        "id": f"m{number}", "parentFolderId": folder, "conversationId": "c",
        "internetMessageId": f"<{number}@x>", "receivedDateTime": "2026-03-02T09:00:00Z",
        "isDraft": False, "categories": [], "subject": "S",
        "internetMessageHeaders": [
            {"name": "From", "value": "Gina <gina@globex.test>"},
            {"name": "Message-ID", "value": f"<{number}@x>"},
        ],
        **more,
    }  # fmt: skip


def ids(pages) -> list[list[str]]:
    return [[item.ref.id for item in page.items] for page in pages]


# -- folders


def test_inbox_sent_and_junk_are_always_listed(box):
    assert box.client.folders() == (
        Folder("IN", "Posteingang", "inbox"),
        Folder("SENT", "Gesendet", "sent"),
        Folder("JUNK", "Junk", "junk"),
    )


def test_targets_of_enabled_rules_are_followed_once_each_by_their_canonical_id(box):
    box.rules = [
        rule("move", moveToFolder="CUST-alias"),
        rule("again", copyToFolder="CUST"),
        rule("copy", copyToFolder="GLOBEX"),
        rule("off", enabled=False, moveToFolder="ROOT"),
    ]
    found = [folder for folder in box.client.folders() if folder.reason == "rule"]
    assert found == [
        Folder("CUST", "Customers", "rule", "move"),
        Folder("GLOBEX", "Globex", "rule", "copy"),
    ]


def test_a_rule_in_error_counts_while_its_folder_is_there(box):
    box.rules = [rule("err", error=True, moveToFolder="CUST"), rule("gone", moveToFolder="NONE")]
    assert [f.id for f in box.client.folders() if f.reason == "rule"] == ["CUST"]


@pytest.mark.parametrize("target", ["JUNK", "SPAM", "BIN", "OLD", "OLDER", "DRAFT", "OUT", "IN"])
def test_junk_trash_drafts_and_what_lies_below_are_never_followed(box, target):
    box.rules = [rule("r", moveToFolder=target)]
    assert [f for f in box.client.folders() if f.reason == "rule"] == []


def test_a_read_only_rule_has_no_actions(box):
    box.rules = [{"id": "r", "isEnabled": True, "isReadOnly": True, "sequence": 1}]
    assert len(box.client.folders()) == 3


def test_rules_are_read_every_time_and_well_known_folders_once(box):
    client = box.client
    client.folders()
    box.rules = [rule("new", moveToFolder="CUST")]
    assert "CUST" in {folder.id for folder in client.folders()}
    assert len(box.asked("mailFolders/inbox?")) == 1


# -- cursors


def test_a_baseline_reads_every_folder_to_its_end(box):
    box.pages["IN:first"] = box.more("IN", "page2", mail(1))
    box.pages["page2"] = box.end("IN", "end", mail(2))
    client = box.client
    cursor = json.loads(client.baseline())
    assert {folder: spot["place"] for folder, spot in cursor.items()} == {
        "IN": "followed",
        "SENT": "sent",
        "JUNK": "junk",
    }
    assert cursor["IN"]["link"] == box.link("IN", "end")
    [first] = box.asked("mailFolders/IN/messages/delta()?$f")
    assert "receivedDateTime ge 2026-03-02T08:50:00Z" in first.path
    assert "internetMessageHeaders" in first.path


def test_every_listing_asks_for_immutable_ids_and_small_pages(box):
    client = box.client
    list(client.changes(client.baseline()))
    deltas = box.asked("/delta")
    assert deltas
    for asked in deltas:
        assert asked.prefer == {'IdType="ImmutableId"', "odata.maxpagesize=50"}


def test_pages_come_folder_by_folder_and_each_carries_how_far_it_got(box):
    box.pages["IN1"] = box.more("IN", "IN2", mail(1))
    box.pages["IN2"] = box.end("IN", "IN3", mail(2))
    box.pages["SENT1"] = box.end("SENT", "SENT2", mail(3, "SENT"))
    pages = list(box.client.changes(box.cursor(IN="followed", SENT="sent")))
    assert ids(pages) == [["m1"], ["m2"], ["m3"]]
    links = [{f: s["link"][-4:] for f, s in json.loads(page.cursor).items()} for page in pages]
    assert links == [
        {"IN": "=IN2", "SENT": "ENT1"},
        {"IN": "=IN3", "SENT": "ENT1"},
        {"IN": "=IN3", "SENT": "ENT2"},
    ]


def test_a_round_without_news_is_one_empty_page_with_the_new_links(box):
    box.pages["IN1"] = box.more("IN", "IN2")
    box.pages["IN2"] = box.end("IN", "IN3")
    [page] = box.client.changes(box.cursor(IN="followed", SENT="sent"))
    assert page.items == ()
    assert json.loads(page.cursor)["IN"]["link"] == box.link("IN", "IN3")


def test_a_last_page_without_news_still_moves_the_cursor(box):
    box.pages["IN1"] = box.more("IN", "IN2", mail(1))
    box.pages["IN2"] = box.end("IN", "IN3", {"id": "m1", "isRead": True})
    pages = list(box.client.changes(box.cursor(IN="followed")))
    assert ids(pages) == [["m1"], []]
    assert json.loads(pages[-1].cursor)["IN"]["link"] == box.link("IN", "IN3")


def test_a_failing_folder_does_not_hold_back_those_before_it(box):
    box.pages["IN1"] = box.end("IN", "IN2", mail(1))
    box.pages["SENT1"] = Reply(429, {}, {"Retry-After": "9"})
    pages = box.client.changes(box.cursor(IN="followed", SENT="sent"))
    assert ids([next(pages)]) == [["m1"]]
    with pytest.raises(Retry) as caught:
        next(pages)
    assert caught.value.after == 9


@pytest.mark.parametrize(
    ("status", "code"), [(410, "x"), (400, "SyncStateNotFound"), (404, "ErrorItemNotFound")]
)
def test_a_lost_sync_state_or_folder_expires_the_cursor(box, status, code):
    box.pages["IN1"] = Reply(status, {"error": {"code": code}})
    with pytest.raises(CursorExpired):
        list(box.client.changes(box.cursor(IN="followed")))


@pytest.mark.parametrize("cursor", ["", "x", "[]", "{}x", '{"IN": {"place": "moon", "link": ""}}'])
def test_a_foreign_cursor_is_expired(box, cursor):
    with pytest.raises(CursorExpired):
        list(box.client.changes(cursor))


def test_a_cursor_for_another_host_is_expired_and_asks_nothing(box):
    cursor = json.dumps({"IN": {"place": "followed", "link": "https://evil.example/v1.0/x"}})
    with pytest.raises(CursorExpired):
        list(box.client.changes(cursor))
    assert box.stub.asked == []


@pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.deltaLink"])
def test_a_link_to_another_host_is_never_followed_nor_kept(box, name):
    box.pages["IN1"] = Reply(200, {"value": [], name: "https://evil.example/v1.0/me"})
    with pytest.raises(UnexpectedAnswer):
        list(box.client.changes(box.cursor(IN="followed")))


# -- items


def listed(box, *items: dict, **places: str):
    places = places or {"IN": "followed"}
    [folder] = places
    box.pages[f"{folder}1"] = box.end(folder, "2", *items)
    return [item for page in box.client.changes(box.cursor(**places)) for item in page.items]


def test_a_new_message_has_its_headers_with_it(box):
    [item] = listed(box, mail(1))
    assert item.ref == Ref("m1", "c")
    assert item.place is Place.FOLLOWED
    assert item.headers is not None
    assert item.headers.message_id == "1@x"
    assert item.headers.folder == "IN"


def test_without_header_fields_they_are_asked_for(box):
    whole = mail(1)
    bare = {key: value for key, value in whole.items() if key != "internetMessageHeaders"}
    [item] = listed(box, bare)
    assert item.headers is None
    box.messages["m1"] = whole
    [read] = box.client.headers([item.ref])
    assert read is not None
    assert read.message_id == "1@x"


def test_sent_mail_is_read_from_its_properties(box):
    sent = mail(1, "SENT", categories=["Log to CRM"])
    del sent["internetMessageHeaders"]
    sent |= {
        "from": {"emailAddress": {"name": "Ben", "address": "Ben@acme365.test"}},
        "toRecipients": [{"emailAddress": {"name": 'G. "GG" Globex, CEO', "address": "gina@globex.test"}}],
        "bccRecipients": [{"emailAddress": {"name": "log@crm.test", "address": "log@crm.test"}}],
        "sentDateTime": "2026-03-02T08:59:00Z",
        "subject": "Grüße, Welt",
    }  # fmt: skip
    [item] = listed(box, sent, SENT="sent")
    head = item.headers
    assert head is not None
    assert item.place is Place.SENT
    assert (head.sender.address, head.subject) == ("ben@acme365.test", "Grüße, Welt")
    assert [(one.address, one.name) for one in head.to] == [
        ("gina@globex.test", 'G. "GG" Globex, CEO')
    ]
    assert [one.address for one in head.bcc] == ["log@crm.test"]
    assert head.labels == {"Log to CRM"}
    assert head.sent_at == datetime(2026, 3, 2, 8, 59, tzinfo=UTC)


def test_read_states_and_removals_are_no_items(box):
    assert (
        listed(
            box,
            {"id": "m1", "isRead": True, "parentFolderId": "IN"},
            {"id": "m2", "@removed": {"reason": "deleted"}},
            mail(3) | {"@removed": {"reason": "changed"}},
        )
        == []
    )


def test_a_later_category_shows_without_headers(box):
    [item] = listed(box, {"id": "m1", "categories": ["Log to CRM"]}, SENT="sent")
    assert item.ref.id == "m1"
    assert item.headers is None


def test_a_draft_in_a_followed_folder_is_a_draft(box):
    [item] = listed(box, mail(1, isDraft=True))
    assert item.place is Place.DRAFT


def test_a_message_named_twice_on_a_page_is_one_item_with_the_last_values(box):
    items = listed(box, mail(1), mail(2), {"id": "m1", "categories": ["late"]})
    assert [item.ref.id for item in items] == ["m1", "m2"]
    assert items[0].headers is not None
    assert items[0].headers.labels == {"late"}


def test_a_message_that_came_and_left_on_one_page_is_no_item(box):
    assert listed(box, mail(1), {"id": "m1", "@removed": {"reason": "deleted"}}) == []


def test_a_message_that_left_and_came_back_on_one_page_is_an_item(box):
    assert len(listed(box, {"id": "m1", "@removed": {"reason": "deleted"}}, mail(1))) == 1


# -- since


def test_since_lists_the_whole_mailbox_with_places(box):
    box.rules = [rule("r", moveToFolder="CUST")]
    folders = ["IN", "CUST", "GLOBEX", "SENT", "JUNK", "SPAM", "BIN", "OLDER", "DRAFT", "OUT"]
    items = [mail(n, folder) for n, folder in enumerate(folders)]
    box.listing = [items[:4], items[4:], []]
    pages = list(box.client.since(NOW - timedelta(days=1)))
    assert [bool(page.cursor) for page in pages] == [False, False, True]
    assert [item.place for page in pages for item in page.items] == [
        Place.FOLLOWED, Place.FOLLOWED, Place.ELSEWHERE, Place.SENT, Place.JUNK, Place.JUNK,
        Place.TRASH, Place.TRASH, Place.DRAFT, Place.DRAFT,
    ]  # fmt: skip
    [first] = box.asked("/messages?$f")
    assert "receivedDateTime ge 2026-03-01T09:00:00Z" in first.path
    assert "$orderby=receivedDateTime" in first.path


def test_the_cursor_of_since_starts_all_folders_at_that_time_for_no_request(box):
    when = NOW - timedelta(days=1)
    pages = list(box.client.since(when))
    assert box.asked("/delta") == []
    cursor = json.loads(pages[-1].cursor)
    assert set(cursor) == {"IN", "SENT", "JUNK"}
    box.pages["IN:first"] = box.end("IN", "IN2", mail(1))
    assert ids(box.client.changes(pages[-1].cursor)) == [["m1"], []]
    assert "2026-03-01T09:00:00Z" in box.asked("IN/messages/delta")[0].path


# -- follow


def test_following_adds_from_a_time_and_drops_the_others(box):
    client = box.client
    cursor = box.cursor(IN="followed", GLOBEX="followed")
    folders = [Folder("IN", "", "inbox"), Folder("CUST", "", "rule", "r")]
    followed = client.follow(folders, cursor, NOW - timedelta(hours=3))
    assert box.stub.asked == []
    spots = json.loads(followed)
    assert set(spots) == {"IN", "CUST"}
    assert spots["IN"]["link"] == box.link("IN", "IN1")
    box.pages["CUST:first"] = box.end("CUST", "CUST2", mail(7, "CUST"))
    assert ids(client.changes(followed)) == [["m7"]]
    assert "2026-03-02T06:00:00Z" in box.asked("CUST/messages/delta")[0].path


# -- one message


def test_a_message_in_a_listed_folder_costs_one_request(box):
    box.pages["IN1"] = box.end("IN", "IN2", mail(1))
    client = box.client
    [page] = client.changes(box.cursor(IN="followed"))
    box.messages["m1"] = mail(1, body={"contentType": "html", "content": "<p>Hello</p>"})
    before = len(box.stub.asked)
    assert client.message(page.items[0].ref).text == "Hello"
    assert len(box.stub.asked) == before + 1
    assert box.stub.asked[-1].prefer == {'IdType="ImmutableId"', "outlook.allow-unsafe-html"}


def test_threading_of_sent_mail_comes_from_extended_properties(box):
    sent = mail(1, "SENT")
    del sent["internetMessageHeaders"]
    sent["singleValueExtendedProperties"] = [
        {"id": "String 0x1042", "value": "<parent@x>"},
        {"id": "String 0x1039", "value": "<root@x> <parent@x>"},
    ]
    box.messages["m1"] = sent
    [head] = box.client.headers([Ref("m1")])
    assert head is not None
    assert head.in_reply_to == ("parent@x",)
    assert head.references == ("root@x", "parent@x")


def test_text_that_exchange_wrapped_is_unwrapped(box):
    wrapped = (
        '<html><head>\r\n<meta name="Generator" content="Microsoft Exchange Server">\r\n'
        "<!-- converted from text -->\r\n<style><!-- .EmailQuote { } --></style></head>\r\n<body>\r\n"
        '<font size="2"><span style="font-size:11pt;"><div class="PlainText">a &lt; b<br>\r\n'
        "<br>\r\n&nbsp; two&nbsp; spaces &amp; more</div></span></font>\r\n</body>\r\n</html>"
    )
    box.messages["m1"] = mail(1, body={"contentType": "html", "content": wrapped})
    read = box.client.message(Ref("m1"))
    assert read.text == "a < b\n\n  two  spaces & more"
    assert read.html == ""


def test_html_that_only_quotes_a_wrapped_text_stays_html(box):
    content = '<html><body><p>New</p><div class="PlainText">old</div></body></html>'
    box.messages["m1"] = mail(1, body={"contentType": "html", "content": content})
    assert box.client.message(Ref("m1")).html == content


def test_attachments_are_told_with_their_kind(box):
    files = [
        {"@odata.type": "#microsoft.graph.fileAttachment", "id": "a1", "name": "x.PDF",
         "contentType": "Application/PDF; name=x", "size": 7, "isInline": True, "contentId": "<c@x>"},
        {"@odata.type": "#microsoft.graph.itemAttachment", "id": "a2", "name": "Re: y",
         "contentType": None, "size": 9, "isInline": False},
        {"@odata.type": "#microsoft.graph.referenceAttachment", "id": "a3", "name": "z"},
    ]  # fmt: skip
    box.messages["m1"] = mail(1, body=None, attachments=files)
    found = box.client.message(Ref("m1")).attachments
    assert [(a.part, a.content_type, a.size, a.inline, a.content_id) for a in found] == [
        ("a1", "application/pdf", 7, True, "c@x"),
        ("a2", "message/rfc822", 9, False, ""),
        ("a3", "application/octet-stream", 0, False, ""),
    ]

"""Reading and changing messages of the pretend Graph."""

import base64
from typing import Any

import pytest

from tests.sandbox.graph_kit import BEN, Client, code_of, until
from tests.sandbox_process import Sandbox

HTML = "<p>Hi <b>Ben</b></p><script>alert(1)</script><blockquote>old</blockquote>"
PNG = {"name": "a.png", "mime": "image/png", "content": base64.b64encode(b"png").decode()}


def test_a_delivered_message_shows_all_its_parts(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver(html=HTML, message_id="<a1@globex.test>", attachments=[PNG])
    found = ben.get(f"/me/messages/{key}")
    assert found["internetMessageId"] == "<a1@globex.test>"
    assert found["from"]["emailAddress"]["address"] == "maria@globex.test"
    assert found["parentFolderId"] == ben.folder("inbox")
    assert found["hasAttachments"] is True
    assert found["bccRecipients"] == []
    assert "internetMessageHeaders" not in found
    assert "uniqueBody" not in found
    assert found["body"]["contentType"] == "html"
    assert "<script>" not in found["body"]["content"]


def test_prefer_chooses_text_and_unsafe_html(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver(html=HTML)
    ben.prefer = 'outlook.body-content-type="text"'
    answer = ben.call("GET", f"/me/messages/{key}?$select=body,uniqueBody")
    assert answer.headers["Preference-Applied"] == 'outlook.body-content-type="text"'
    assert answer.json()["body"]["contentType"] == "text"
    assert "Hi Ben" in answer.json()["body"]["content"]
    ben.prefer = "outlook.allow-unsafe-html"
    assert "<script>" in ben.get(f"/me/messages/{key}")["body"]["content"]


def test_select_gives_only_what_was_asked_and_counts_bodies(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver()
    ben.get(f"/me/messages/{key}", select="subject,internetMessageHeaders")
    before = sandbox.get("/control/counts")
    assert "graph.messages.get.body" not in before
    found = ben.get(f"/me/messages/{key}", select="id,body")
    assert set(found) - {"@odata.context", "@odata.etag"} == {"id", "body"}
    assert sandbox.get("/control/counts")["graph.messages.get.body"] == 1


def test_headers_come_only_for_received_mail(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver(in_reply_to="<x@acme365.test>")
    shown = ben.get(f"/me/messages/{key}", select="internetMessageHeaders")
    names = {header["name"] for header in shown["internetMessageHeaders"]}
    assert {"In-Reply-To", "Message-ID"} <= names
    sent = sandbox.post(
        "/control/send",
        **{
            "from": BEN,
            "to": ["maria@globex.test"],
            "subject": "S",
            "text": "t",
            "in_reply_to": "<y@globex.test>",
        },
    )["id"]
    expand = "singleValueExtendedProperties($filter=id eq 'String 0x1042' or id eq 'String 0x1039')"
    shown = ben.get(f"/me/messages/{sent}", select="internetMessageHeaders", expand=expand)
    assert "internetMessageHeaders" not in shown
    assert {"id": "String 0x1042", "value": "<y@globex.test>"} in shown[
        "singleValueExtendedProperties"
    ]
    mime = ben.call("GET", f"/me/messages/{sent}/$value")
    assert b"In-Reply-To: <y@globex.test>" in mime.content


def test_the_sent_copy_alone_keeps_bcc_and_its_category(sandbox: Sandbox) -> None:
    (ben,) = [Client(sandbox)]
    sent = sandbox.post(
        "/control/send",
        **{
            "from": BEN,
            "to": ["maria@globex.test"],
            "bcc": ["bob@globex.test"],
            "subject": "S",
            "text": "t",
            "label": "Log to CRM",
        },
    )
    found = ben.get("/me/mailFolders/sentitems/messages")["value"][0]
    assert found["bccRecipients"][0]["emailAddress"]["address"] == "bob@globex.test"
    assert found["categories"] == ["Log to CRM"]
    assert found["internetMessageId"] == sent["message_id"]


@pytest.mark.parametrize(
    ("kept", "count"),
    [
        ("receivedDateTime ge 2020-01-01T00:00:00Z", 3),
        ("receivedDateTime lt 2020-01-01T00:00:00Z", 0),
        ("internetMessageId eq '<two@globex.test>'", 1),
        ("receivedDateTime ge 2020-01-01T00:00:00Z and isDraft eq false", 3),
        ("from/emailAddress/address eq 'MARIA@globex.test' and subject eq 'two'", 1),
        ("startswith(subject,'t') or subject eq 'one'", 3),
        ("not (subject eq 'one')", 2),
        ("categories/any(c:c eq 'x')", 0),
    ],
)
def test_filters_choose_messages(sandbox: Sandbox, kept: str, count: int) -> None:
    ben = Client(sandbox)
    for name in ("one", "two", "three"):
        ben.deliver(subject=name, message_id=f"<{name}@globex.test>")
    assert len(ben.get("/me/messages", filter=kept)["value"]) == count


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"filter": "size gt 3"}, "RequestBroker--ParseUri"),
        ({"filter": "receivedDateTime ge '2020-01-01'"}, "RequestBroker--ParseUri"),
        ({"select": "size"}, "RequestBroker--ParseUri"),
        ({"filter": "isRead eq false", "orderby": "receivedDateTime desc"}, "InefficientFilter"),
    ],
)
def test_what_exchange_cannot_do_is_refused(
    sandbox: Sandbox, params: dict[str, str], code: str
) -> None:
    ben = Client(sandbox)
    ben.deliver()
    answer = ben.call("GET", "/me/messages", params={f"${k}": v for k, v in params.items()})
    assert (answer.status_code, code_of(answer)) == (400, code)


def test_lists_come_in_pages_with_links_on_the_same_host(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    for number in range(5):
        ben.deliver(subject=f"m{number}")
    query = "$filter=receivedDateTime ge 2020-01-01T00:00:00Z&$orderby=receivedDateTime desc&$select=id&$top=2"
    page = ben.call("GET", f"/users/{BEN}/messages?{query}").json()
    seen = [item["id"] for item in page["value"]]
    while "@odata.nextLink" in page:
        assert page["@odata.nextLink"].startswith(f"{sandbox.url}/v1.0/users('{BEN}')/messages?")
        page = ben.get(page["@odata.nextLink"])
        seen += [item["id"] for item in page["value"]]
    assert len(set(seen)) == 5


def test_a_move_changes_the_id_unless_it_is_immutable(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.deliver()
    old = ben.inbox()[0]["id"]
    moved = ben.post(f"/me/messages/{old}/move", destinationId="archive").json()
    assert moved["id"] != old
    gone = ben.call("GET", f"/me/messages/{old}")
    assert (gone.status_code, code_of(gone)) == (404, "ErrorItemNotFound")
    ben.prefer = 'IdType="ImmutableId"'
    stays = ben.get(f"/me/messages/{moved['id']}")["id"]
    assert ben.post(f"/me/messages/{stays}/move", destinationId="inbox").json()["id"] == stays
    assert ben.call("GET", f"/me/messages/{stays[:9] + stays[9:].swapcase()}").status_code == 404
    bad = ben.call("GET", "/me/messages/nonsense")
    assert (bad.status_code, code_of(bad)) == (400, "ErrorInvalidIdMalformed")


def test_delete_puts_a_message_into_deleted_items_first(sandbox: Sandbox) -> None:
    ben = Client(sandbox, prefer='IdType="ImmutableId"')
    key = ben.deliver()
    assert ben.call("DELETE", f"/me/messages/{key}").status_code == 204
    assert ben.get(f"/me/messages/{key}")["parentFolderId"] == ben.folder("deleteditems")
    assert ben.call("DELETE", f"/me/messages/{key}").status_code == 204
    assert ben.call("GET", f"/me/messages/{key}").status_code == 404


def test_categories_and_read_state_can_be_patched(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    key = ben.deliver()
    answer = ben.call(
        "PATCH", f"/me/messages/{key}", json={"categories": ["Log to CRM"], "isRead": True}
    )
    assert (answer.json()["categories"], answer.json()["isRead"]) == (["Log to CRM"], True)
    answer = ben.call("PATCH", f"/me/messages/{key}", json={"subject": "other"})
    assert answer.status_code == 400


def test_attachments_of_each_kind(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    inner = "Subject: inner\r\nMessage-ID: <in@x.test>\r\n\r\nwithin"
    raw = (
        "From: maria@globex.test\r\nTo: ben@acme365.test\r\nSubject: files\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n'
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n"
        '--b\r\nContent-Type: image/png; name="l.png"\r\nContent-Disposition: inline\r\nContent-ID: <c1>\r\n\r\nxx\r\n'
        '--b\r\nContent-Type: application/pdf; name="d.pdf"\r\nContent-Disposition: attachment; filename="d.pdf"\r\n\r\npdf\r\n--b--\r\n'
    )
    key = ben.deliver(raw=base64.b64encode(raw.encode()).decode())
    ben.control("link", id=key, name="cloud", url="https://x.test/f")
    select = "id,name,contentType,size,isInline,microsoft.graph.fileAttachment/contentId"
    shown = ben.get(f"/me/messages/{key}", select="id", expand=f"attachments($select={select})")[
        "attachments"
    ]
    kinds = [one["@odata.type"].rpartition(".")[2] for one in shown]
    assert kinds == ["itemAttachment", "fileAttachment", "fileAttachment", "referenceAttachment"]
    assert "contentBytes" not in shown[1]
    assert (shown[1]["isInline"], shown[1]["contentId"]) == (True, "c1")
    base = f"/me/messages/{key}/attachments"
    assert ben.call("GET", f"{base}/{shown[2]['id']}/$value").content == b"pdf"
    assert b"Subject: inner" in ben.call("GET", f"{base}/{shown[0]['id']}/$value").content
    assert ben.call("GET", f"{base}/{shown[3]['id']}/$value").status_code == 400
    item = ben.get(f"{base}/{shown[0]['id']}", expand="microsoft.graph.itemattachment/item")
    assert item["item"]["subject"] == "inner"
    assert len(ben.get(base)["value"]) == 4
    bare = ben.call("GET", f"/me/messages/{key}?$expand=attachments($select=contentId)")
    assert bare.status_code == 400


def test_inline_pictures_alone_are_no_attachments(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    raw = (
        "From: maria@globex.test\r\nTo: ben@acme365.test\r\nSubject: logo\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:c1">\r\n'
        "--b\r\nContent-Type: image/png\r\nContent-Disposition: inline\r\nContent-ID: <c1>\r\n\r\nxx\r\n--b--\r\n"
    )
    key = ben.deliver(raw=base64.b64encode(raw.encode()).decode())
    assert ben.get(f"/me/messages/{key}")["hasAttachments"] is False


def test_dynamic_delivery_shows_placeholders_first(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.switch("graph.dynamic_delivery", 0.2)
    key = ben.deliver(attachments=[PNG])
    base = f"/me/messages/{key}/attachments"
    assert ben.get(base)["value"][0]["name"] == "Safe Attachments Scan In Progress"
    until(lambda: ben.get(base)["value"][0]["name"] == "a.png")


def test_a_message_moved_out_of_the_inbox_keeps_its_placeholder(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.switch("graph.dynamic_delivery", 60)
    key = ben.deliver(attachments=[PNG])
    sandbox.post("/control/move", address=BEN, id=key, to="archive")
    ben.control("finish-scan")
    assert "Progress" in ben.get(f"/me/messages/{key}/attachments")["value"][0]["name"]


def test_answers_share_a_conversation(sandbox: Sandbox) -> None:
    ben = Client(sandbox)
    ben.switch("graph.conversation_by_subject", value=False)
    one = ben.deliver(subject="A", message_id="<a@globex.test>")
    two = ben.deliver(subject="B", in_reply_to="<a@globex.test>")
    other = ben.deliver(subject="A")

    def talk(key: str) -> Any:
        return ben.get(f"/me/messages/{key}")["conversationId"]

    assert talk(one) == talk(two) != talk(other)
    ben.switch("graph.conversation_by_subject", value=True)
    assert talk(ben.deliver(subject="Re: A")) in (talk(one), talk(other))

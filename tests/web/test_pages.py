"""Contacts, timelines, journal, mailboxes and settings, without a browser."""

from datetime import timedelta

import pytest

from crm.store import contacts, limits
from providers import causes
from providers.client import Retry
from tests.web import story
from tests.web.company import BCC
from tests.web.conftest import Client
from workers.queue import AWAKE


@pytest.fixture
def told(company):
    return story.tell(company)


class Forgetful:
    """A mail client that only counts who lets go of it."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.unwatched: list[str] = []

    def unwatch(self, have):
        if self.fails:
            raise Retry(None, "away")
        self.unwatched += [each.provider_id for each in have]

    def close(self):
        pass


def test_empty_pages_say_what_to_do(ana):
    assert "Connect your mailbox" in ana.get("/contacts").text
    assert "No mailbox is connected yet" in ana.get("/mailboxes").text
    assert "There is no journal yet" in ana.get("/why").text


def test_a_timeline_shows_threads_folded_to_the_newest_message(ana, told):
    text = ana.get(f"/contacts/{told['maria']}").text.partition('id="timeline-title"')[2]
    assert text.index("Offer 12") < text.index("Visit in May") < text.index("Contract")
    assert "2 earlier messages" in text
    assert f'src="/emails/{told["question"]}/body"' in text
    assert "Show 1 picture from" in text
    assert "Shall I bring the samples?" in text
    assert "160 KB" in text
    assert "Automatic reply" in text
    assert text.count("Offer 12</h3>") == 1


def test_quotes_of_plain_text_are_folded(ana, told):
    text = ana.get(f"/contacts/{told['maria']}").text
    new, _, quoted = text.partition("yes to both")[2].partition("<details>")
    assert "Is setting it up" not in new
    assert "Is setting it up" in quoted


def test_the_body_of_a_mail_comes_in_a_frame_that_can_do_nothing(ana, told):
    answer = ana.get(f"/emails/{told['question']}/body")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "owned" not in answer.text
    assert "globex.test/logo.png" not in answer.text
    assert "<b>setting it up</b>" in answer.text


def test_pictures_are_shown_when_asked(ana, told):
    answer = ana.post(f"/emails/{told['question']}/body")
    assert "globex.test/logo.png" in answer.text
    assert "tracker" not in answer.text
    assert "img-src 'self' data: https: http:" in answer.headers["Content-Security-Policy"]


def test_long_mail_is_cut_and_opens_whole(ana, company, told):
    end = "the very end"
    long = company.mail(story.ANA, story.MARIA, "Long", "x " * 60_000 + end, bcc=BCC)
    made = company.bring("ana@acme.test", long)
    page = ana.get(f"/contacts/{told['maria']}").text
    assert end not in page
    assert f'href="/emails/{made}/whole"' in page
    assert end in ana.get(f"/emails/{made}/whole").text


def test_hostile_names_and_subjects_are_text(ana, company, told):
    evil = '"><script>alert(1)</script>'
    mail = company.mail(story.ANA, f'"{evil[2:]}" <maria@globex.test>', evil, evil, bcc=BCC)
    made = company.bring("ana@acme.test", mail)
    for path in (f"/contacts/{told['maria']}", f"/emails/{made}", f"/emails/{made}/shown"):
        assert "<script>alert" not in ana.get(path).text


def test_a_waiting_page_is_told_nothing_until_something_changes(ana, company, told):
    paths = (f"/contacts/{told['maria']}", "/mailboxes", "/why")
    asks = [_follow_up(ana.get(path).text) for path in paths]
    assert [ana.get(ask).status_code for ask in asks] == [204, 204, 204]
    more = company.mail(story.ANA, story.MARIA, "News", "New", bcc=BCC)
    company.bring("ana@acme.test", more)
    for ask in asks:
        answer = ana.get(ask, headers={"HX-Request": "true"})
        assert answer.status_code == 200
        assert "<html" not in answer.text
        assert ana.get(_follow_up(answer.text)).status_code == 204


def _follow_up(text: str) -> str:
    return text.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")


def test_contacts_are_found_by_name_and_address(ana, told):
    assert "Maria Rossi" in ana.get("/contacts?q=ross").text
    found = ana.get("/contacts?q=initech.test").text
    assert "Joe Smith" in found
    assert "Maria" not in found
    assert "Nobody is called" in ana.get("/contacts?q=xyz").text


def test_a_contact_is_added_and_its_refused_replies_are_judged_again(ana, told, redis):
    answer = ana.post(
        "/contacts/new", {"name": "Paul", "addresses": "Paul@Stranger.test", "company": "Stranger"}
    )
    assert answer.status_code == 302
    page = ana.get(answer.location).text
    assert "Replies that were refused are being judged again." in page
    assert "paul@stranger.test" in page
    assert redis.zcard(AWAKE) == 1


@pytest.mark.parametrize(
    ("addresses", "words"),
    [("", "at least one"), ("nonsense", "not an e-mail address"), ("maria@globex.test", "belongs to a contact already")],
)  # fmt: skip
def test_a_wrong_contact_is_explained(ana, told, addresses, words):
    answer = ana.post("/contacts/new", {"name": "X", "addresses": addresses})
    assert answer.status_code == 422
    assert words in answer.text


def test_the_same_person_may_have_one_more_address(ana, told, database, company):
    ana.post(f"/contacts/{told['maria']}/addresses", {"address": "m.rossi@home.test"})
    with database.read() as conn:
        found = contacts.contact(conn, company.account, told["maria"])
    assert found is not None
    assert found.addresses == ("maria@globex.test", "m.rossi@home.test")


@pytest.mark.parametrize(
    ("address", "words"),
    [("bob@globex.test", "belongs to another contact"), ("x", "not an e-mail address")],
)
def test_a_wrong_address_is_explained(ana, told, address, words):
    ana.post(f"/contacts/{told['maria']}/addresses", {"address": address})
    assert words in ana.get("/contacts").text


def test_a_journal_is_for_its_owner_alone(ana, ben, told):
    bens = 2
    assert ben.get(f"/mailboxes/{bens}/journal").location == f"/why?mailbox={bens}"
    for path in (
        "journal",
        "newest",
        "connected",
        "disconnect",
        "reconnect",
        "reconnect/start",
    ):
        assert ben.get(f"/mailboxes/1/{path}").status_code == 403
        assert ana.get(f"/mailboxes/{bens}/{path}").status_code == 403  # an admin sees counts alone
    for path in ("sync", "disconnect"):
        assert ben.post(f"/mailboxes/1/{path}").status_code == 403


def test_an_admin_sees_how_all_mailboxes_do_a_member_their_own(ana, ben, told):
    assert "ben@acme.test" in ana.get("/mailboxes").text
    assert 'id="box-1"' not in ben.get("/mailboxes").text


def test_a_card_says_what_is_followed_and_why(ben, told):
    text = ben.get("/mailboxes").text
    assert "because your rule “From customers” puts mail there" in text
    assert "in 3 days" in text


def test_sync_now_rings_the_mailbox(ana, told, redis):
    assert ana.post("/mailboxes/1/sync").status_code == 302
    assert redis.zrange(AWAKE, 0, -1) == [b"1"]


def test_without_redis_sync_now_says_so(company, make_app):
    company.connect("ana@acme.test")
    client = Client(make_app({"redis_url": "redis://127.0.0.1:1"}))
    client.sign_in()
    answer = client.post("/mailboxes/1/sync")
    assert answer.status_code == 503
    assert "Nothing is lost" in answer.text


@pytest.mark.parametrize("fails", [False, True])
def test_disconnecting_keeps_what_was_logged(company, make_app, told, fails):
    mail = Forgetful(fails)
    client = Client(
        make_app({"google_revoke_url": "http://127.0.0.1:1/revoke"}, open_client=lambda *_: mail)
    )
    client.sign_in()
    assert "Kept:" in client.get("/mailboxes/1/disconnect").text
    client.post("/mailboxes/1/disconnect")
    assert company.status("ana@acme.test") == "disconnected"
    assert mail.unwatched == ([] if fails else ["w1"])
    assert "Offer 12" in client.get(f"/contacts/{told['maria']}").text
    assert client.post("/mailboxes/1/sync").status_code == 409


def test_a_stopped_mailbox_is_told_on_every_page_of_its_owner(ana, ben, company, told):
    company.stop("ana@acme.test", causes.PASSWORD_CHANGED)
    for path in ("/contacts", "/mailboxes", "/settings", "/why"):
        text = ana.http.get(path, follow_redirects=True).text
        assert "The password was changed" in text
        assert 'href="/mailboxes/1/reconnect"' in text
    assert "The password was changed" not in ben.get("/contacts").text


def test_another_companys_rows_are_not_there(ana, company, told):
    other = company.world.other_account()
    theirs = other.mailbox("eve@other.test")
    contact = other.contact("zoe@globex.test", name="Zoe")
    email = other.settle(theirs, other.sent(1)).email_ids[0]
    for path in (
        f"/contacts/{contact}",
        f"/emails/{email}",
        f"/emails/{email}/body",
        f"/mailboxes/{theirs.id}/journal",
    ):
        assert ana.get(path).status_code == 404
    assert ana.post(f"/contacts/{contact}/addresses", {"address": "a@b.test"}).status_code == 404
    assert "Zoe" not in ana.get("/contacts").text


def test_probes_answer_without_a_sign_in(client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json["checks"] == {"database": True, "redis": True}
    assert b"python_info" in client.get("/metrics").data


def test_a_bug_is_told_plainly_and_logged_without_its_text(ana, app, capsys):
    def broken() -> str:
        raise ValueError("a secret subject")

    app.view_functions["contacts"] = broken
    answer = ana.get("/contacts")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "secret subject" not in answer.text + "".join(capsys.readouterr())


def test_a_mailbox_that_waits_for_the_provider_says_so(ana, company, told, database, now):
    with database.begin() as conn:
        box = company.boxes["ana@acme.test"]
        limits.block(conn, box, now + timedelta(minutes=5), "limit:user", now)
    assert "asked us to slow down" in ana.get("/mailboxes").text

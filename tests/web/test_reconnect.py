"""What a person reads and does when a mailbox stopped, and after it was connected again."""

from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from crm.model import GapState
from crm.store import connecting, gaps, mailboxes
from crm.tables import Gap, Mailbox
from providers import causes
from workers.queue import AWAKE

ANA, BEN = "ana@acme.test", "ben@acme.test"


@pytest.fixture
def boxes(company):
    company.connect(ANA)
    company.connect(BEN, "graph")
    return company


def banner(client, path="/contacts"):
    text = client.get(path).text
    found = text.partition('<section class="banner"')[2].partition("</section>")[0]
    return " ".join(found.split())


def stop(company, address, cause, ago=timedelta(hours=3)):
    with company.database.begin() as conn:
        at = company.now - ago
        mailboxes.need_reconnect(conn, company.account, company.boxes[address].id, cause, at)


def test_the_banner_says_since_when_and_why_on_every_page(ben, boxes):
    stop(boxes, BEN, causes.PASSWORD_CHANGED)
    for path in ("/contacts", "/mailboxes", "/why", "/settings"):
        said = banner(ben, path)
        assert "<strong>ben@acme.test</strong> stopped" in said
        assert "3 h ago" in said
        assert causes.explain(causes.PASSWORD_CHANGED).sentence in said
        assert "Nothing is lost so far as you reconnect" in said
        assert "/mailboxes/2/reconnect" in said


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (causes.ADMIN_BLOCKED, "Ask your IT administrator"),
        (causes.SCOPE_MISSING, "leave every permission ticked"),
        (causes.MAILBOX_FULL, "Make room in the mailbox"),
    ],
)
def test_the_banner_says_what_to_do_beside_reconnecting(ben, boxes, cause, words):
    stop(boxes, BEN, cause)
    assert words in banner(ben)


def test_a_mailbox_that_is_gone_is_promised_nothing(ben, boxes):
    stop(boxes, BEN, causes.MAILBOX_GONE)
    assert "Nothing is lost" not in banner(ben)
    assert "What was logged stays." in banner(ben)


def test_an_admin_sees_those_of_everybody_in_one_line(ana, ben, boxes):
    stop(boxes, BEN, causes.REVOKED)
    said = banner(ana)
    assert "Stopped until their owners reconnect them" in said
    assert "ben@acme.test" in said
    assert "/reconnect" not in said
    stop(boxes, ANA, causes.REVOKED)
    assert "Stopped until" not in banner(ben)
    assert "ana@acme.test" not in ben.get("/contacts").text.partition("<main")[0]


def test_many_of_ones_own_do_not_fill_the_page(ben, boxes):
    for n in range(5):
        boxes.connect(f"b{n}@acme.test")
        stop(boxes, f"b{n}@acme.test", causes.REVOKED)
    with boxes.database.begin() as conn:
        ours = (Mailbox.account_id == boxes.account, Mailbox.status == "reconnect")
        conn.execute(update(Mailbox).where(*ours).values(user_id=boxes.world.users[BEN]))
    text = words(ben.get("/contacts").text)
    assert text.count('class="banner"') == 4
    assert "2 more of your mailboxes must be connected again." in text


def test_claims_that_entra_wants_proven_come_back_with_the_next_sign_in(boxes, make_app):
    from tests.web.conftest import Client

    ids = {"microsoft_client_id": "m", "microsoft_client_secret": SecretStr("s")}
    client = Client(make_app(ids))
    client.sign_in(BEN)
    stop(boxes, BEN, causes.MFA)
    with boxes.database.begin() as conn:
        connecting.must_prove(conn, boxes.account, boxes.boxes[BEN].id, '{"access_token":{"x":1}}')
    answer = client.get("/mailboxes/2/reconnect/start")
    assert "claims=%7B%22access_token%22%3A%7B%22x%22%3A1%2C" in answer.location
    boxes.connect(BEN, "graph", timedelta(seconds=1))
    assert "%22x%22" not in client.get("/mailboxes/2/reconnect/start").location


# -- the gap


def gap_of(company, address):
    with company.database.read() as conn:
        return gaps.latest(conn, company.account, company.boxes[address].id)


@pytest.fixture
def gap(ben, boxes):
    """Ben's mailbox was away for two days."""
    stop(boxes, BEN, causes.REVOKED, timedelta(days=2, seconds=1))
    boxes.connect(BEN, "graph", timedelta(seconds=1))
    return gap_of(boxes, BEN)


def count(company, gap, arrived, *, done=True):
    with company.database.begin() as conn:
        gaps.counted(conn, company.account, gap.id, arrived, done=done)


def words(text):
    return " ".join(text.split())


def test_the_count_shows_as_it_goes(ben, boxes, gap):
    page = words(ben.get("/mailboxes/2/connected").text)
    assert "was not connected for 2 days" in page
    assert "Counting what arrived meanwhile…" in page
    assert "Read what arrived" not in page
    count(boxes, gap, 500, done=False)
    assert "500 messages so far" in words(ben.get("/mailboxes/2/gaps").text)


@pytest.mark.parametrize(
    ("arrived", "said"),
    [(1, "1 message arrived meanwhile"), (42, "42 messages arrived meanwhile"),
     (5_001, "More than 5,000 messages arrived meanwhile")],
)  # fmt: skip
def test_the_owner_is_told_how_many_messages_arrived_and_asked(ben, boxes, gap, arrived, said):
    count(boxes, gap, arrived)
    for path in ("/mailboxes/2/connected", "/mailboxes/2/gaps", "/mailboxes"):
        text = words(ben.get(path).text)
        assert said in text
        assert "nothing of it was read" in text
        assert "Read what arrived meanwhile" in text
        assert "Leave it" in text


def test_a_gap_in_which_nothing_arrived_asks_nothing(ben, boxes, gap):
    count(boxes, gap, 0)
    assert "Nothing arrived meanwhile." in ben.get("/mailboxes/2/connected").text
    assert "was not connected for" not in ben.get("/mailboxes").text


def test_a_gap_that_could_not_be_counted_can_be_decided(ben, boxes, gap):
    with boxes.database.begin() as conn:
        gaps.not_counted(conn, boxes.account, gap.id, 5)
    assert "Mail may have arrived meanwhile" in words(ben.get("/mailboxes").text)


def test_reading_is_one_click_and_shows_how_far_it_is(ben, boxes, gap, redis):
    count(boxes, gap, 42)
    answer = ben.post(f"/mailboxes/2/gaps/{gap.id}/read", {"from": "connected"})
    assert answer.location == "/mailboxes/2/connected"
    assert gap_of(boxes, BEN).state is GapState.READING
    assert redis.zrange(AWAKE, 0, -1) == [b"2"]
    with boxes.database.begin() as conn:
        gaps.read_up_to(conn, boxes.account, gap.id, gap.since + timedelta(days=1), 7, boxes.now)
    assert "is being read: 7 messages looked at" in words(ben.get("/mailboxes").text)
    with boxes.database.begin() as conn:
        gaps.read_up_to(conn, boxes.account, gap.id, gap.until, 1, boxes.now)
    assert "was read: 8 messages looked at, 0 logged." in words(ben.get("/mailboxes/2/gaps").text)
    assert "not connected for" not in ben.get("/mailboxes").text


def test_leaving_is_one_click_and_final(ben, boxes, gap):
    count(boxes, gap, 42)
    assert ben.post(f"/mailboxes/2/gaps/{gap.id}/leave").location == "/mailboxes"
    assert "is left unread" in ben.get("/mailboxes").text
    assert "left unread" in ben.get("/mailboxes/2/history").text
    assert ben.post(f"/mailboxes/2/gaps/{gap.id}/read").status_code == 404
    assert gap_of(boxes, BEN).state is GapState.LEFT


def test_nobody_decides_about_the_gap_of_another(ana, boxes, ben, gap):
    count(boxes, gap, 42)
    for do in ("read", "leave"):
        assert ana.post(f"/mailboxes/2/gaps/{gap.id}/{do}").status_code == 403
        assert ana.post(f"/mailboxes/1/gaps/{gap.id}/{do}").status_code == 404
    assert ben.post(f"/mailboxes/2/gaps/{gap.id}/forget").status_code == 404
    assert "Read what arrived" not in ana.get("/mailboxes").text
    with boxes.database.read() as conn:
        assert conn.scalars(select(Gap.state).where(Gap.account_id == boxes.account)).all() == [
            "open"
        ]


def test_an_account_made_anew_is_told(ben, boxes):
    assert "is a new one at Microsoft 365" in ben.get("/mailboxes/2/connected?anew=1").text
    assert "is a new one" not in ben.get("/mailboxes/2/connected").text


def test_the_history_says_why_it_stopped(ben, boxes):
    stop(boxes, BEN, causes.PASSWORD_CHANGED)
    assert causes.explain(causes.PASSWORD_CHANGED).sentence in ben.get("/mailboxes/2/history").text


def test_a_second_factor_is_asked_for_by_name_until_it_is_there(boxes, make_app, sandbox):
    """From the refused refresh to the mailbox that reads again, as Entra plays it."""
    from tests.crm.store_world import a_token
    from tests.web.conftest import Client
    from tests.web.test_connect import at_sandbox

    address = "ben@acme365.test"
    client = Client(make_app(at_sandbox(sandbox)))
    client.sign_in(BEN)
    owner = boxes.world.users[BEN]
    new = mailboxes.NewMailbox(owner, address, "graph", a_token(boxes.now), cursor="")
    with boxes.database.begin() as conn:
        box = mailboxes.connect(conn, boxes.account, new, boxes.secrets, boxes.now)
        mailboxes.need_reconnect(conn, boxes.account, box, causes.SIGN_IN, boxes.now)
    body = {"address": address, "name": "entra.second_factor", "value": True}
    sandbox.post("/control/microsoft/switch", **body)

    def sign_in() -> str:
        start = client.get(f"/mailboxes/{box}/reconnect/start").location
        back = sandbox.post("/control/microsoft/authorize", url=start, address=address)["location"]
        return client.get(back.partition("localhost")[2]).text

    assert "second proof" in sign_in()
    with boxes.database.read() as conn:
        assert "capolids" in mailboxes.mailbox(conn, boxes.account, box).claims
    assert "Redirecting" in sign_in()
    with boxes.database.read() as conn:
        found = mailboxes.mailbox(conn, boxes.account, box)
    assert (found.status.value, found.claims, found.stopped_at) == ("connected", "", None)

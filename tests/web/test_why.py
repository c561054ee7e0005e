"""The journal's page, without a browser: what it says, and what is carried out beside its rows."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from crm.model import Ref
from crm.spending import Spent
from crm.store import contacts, journal, limits, mailboxes, never_log, waiting
from crm.store import settings as account_settings
from crm.store.outcomes import Refused
from providers.client import Gone, Limited, Operator, OutOfBudget, Reconnect, Retry
from tests.web import story
from tests.web.conftest import Client
from workers.queue import AWAKE

ANA, BEN, PAUL = "ana@acme.test", "ben@acme.test", "paul@stranger.test"
HX = {"HX-Request": "true"}


@pytest.fixture
def database_url(sqlite_url):
    """SQLite: what these pages ask of a database is asked of both in tests/crm."""
    return sqlite_url


@pytest.fixture
def told(company):
    return story.tell(company)


@pytest.fixture
def row_of(company, told):
    """The newest row about a sender's mail."""

    def find(sender, address=ANA):
        with company.database.read() as conn:
            box = company.boxes[address]
            wanted = journal.Filter(sender=sender)
            found = journal.rows(conn, company.account, box.id, wanted)
        return found.items[0]

    return find


def refuse(company, rule, sender=PAUL, address=ANA, turned_by=()):
    """Have the mailbox refuse one more message; its row's id."""
    company.numbers += 1
    message = company.world.refused(company.numbers, rule, sender)
    outcome = Refused(
        Ref(f"r{company.numbers}"), message.place, message.headers, rule, turned_by=turned_by
    )
    company.world.settle(company.boxes[address], outcome)
    with company.database.read() as conn:
        found = journal.rows(
            conn, company.account, company.boxes[address].id, journal.Filter(rule=rule)
        )
    return found.items[0].id


def press(client, row_id, do, **form):
    return client.post(f"/why/rows/{row_id}/{do}", form, headers=HX)


def due(company, address=ANA):
    company.world.now = company.now
    return company.world.due_in(company.boxes[address])


def test_each_row_says_why_and_what_to_do(ana, told):
    text = ana.get("/why").text
    for words in (
        "Which message are you looking for?",
        "paul@stranger.test is not a contact of yours. It answers “Visit in May”, a thread that you",
        "Add contact and log",
        "Same person as Joe Smith",
        "Bob Keller changed the subject of “Offer 12”",
        "Forward it",
        "It lies in the junk folder.",
        "→ Maria Rossi, Bob Keller · Offer 12",
        "How to tick Log",
    ):
        assert words in text, words
    assert "Spring sale" not in text
    assert "Invoice" not in text


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("rule=junk", "win@lucky.test", "news@initech.test"),
        ("sender=initech", "news@initech.test", "win@lucky.test"),
        ("sender=LUCKY+paul@", "win@lucky.test", "news@initech.test"),
        ("verdict=logged", "→ Maria Rossi", "win@lucky.test"),
        ("from=2026-03-02&to=2026-03-02", "win@lucky.test", "4 days ago"),
        ("to=2026-02-28", "→ Maria Rossi", "win@lucky.test"),
        ("from=2026-13-99", "win@lucky.test", "No message fits"),
        ("sender=nobody", "No message fits", "win@lucky.test"),
        ("mailbox=1", "win@lucky.test", "No message fits"),
    ],
)
def test_the_journal_is_narrowed_by(ana, told, query, shown, hidden):
    text = ana.get(f"/why?{query}").text
    assert shown in text
    assert hidden not in text


def test_a_contacts_page_leads_to_what_was_not_logged_of_them(ana, company, told):
    text = ana.get(f"/contacts/{told['maria']}").text
    assert "1 message of this person was not logged" in text
    path = re.search(r'href="(/why\?sender=maria[^"]+)"', text)[1].replace("&amp;", "&")
    assert "Maria Rossi changed the subject" in ana.get(path).text
    assert "left out no message" in ana.get(f"/contacts/{told['joe']}").text


def test_own_mailboxes_are_shown_together_and_colleagues_are_not(ana, ben, company, told):
    refuse(company, "not-owner", "zed@z.test", BEN)
    assert "zed@z.test" in ben.get("/why").text
    assert "zed@z.test" not in ana.get("/why").text
    assert ana.get("/why?mailbox=2").status_code == 404


def test_the_counts_per_day_are_drawn_and_lead_to_their_messages(ana, told):
    text = ana.get("/why?sender=test").text
    chart = text.partition("<figure")[2].partition("</figure>")[0]
    assert "<title" in chart
    assert "<desc" in chart
    assert 'aria-label="2 March: 3 logged, 1 subject changed, 1 junk' in chart
    assert "/why?sender=test&amp;from=2026-03-02&amp;to=2026-03-02" in chart
    assert "/why?sender=test&amp;rule=junk" in chart
    numbers = [int(n) for n in re.findall(r"<td>(\d+)</td>", chart)]
    assert sum(numbers) == 12


def test_adding_the_contact_has_the_message_looked_at_again(ana, company, row_of, redis):
    row = row_of(PAUL)
    answer = press(ana, row.id, "add-contact")
    assert "paul@stranger.test is a contact now." in answer.text
    assert "Looking again…" in answer.text
    assert "Add contact" not in answer.text
    assert redis.zcard(AWAKE) == 1
    assert due(company) == [(row.provider_id, "setting")]
    ask = re.search(r'hx-get="(/why/rows/[^"]+)"', answer.text)[1]
    assert ana.get(ask).status_code == 204
    with company.database.read() as conn:
        assert contacts.find(conn, company.account, PAUL) is not None


def test_a_row_then_shows_what_came_of_it(ana, company, row_of):
    row = row_of(PAUL)
    text = press(ana, row.id, "add-contact").text
    ask = re.search(r'hx-get="(/why/rows/[^"]+)"', text)[1]
    logged = company.world.sent(77, ["maria@globex.test"], subject="Visit in May")
    company.world.settle(
        company.boxes[ANA],
        replace(logged, message=replace(logged.message, headers=replace(logged.message.headers, ref=Ref(row.provider_id)))),
    )  # fmt: skip
    after = ana.get(ask, headers=HX).text
    assert "→ Maria Rossi · Visit in May" in after
    assert "hx-get" not in after


def test_the_same_person_gets_one_more_address(ana, company, told, row_of):
    row = row_of(PAUL)
    assert "Added to Joe Smith." in press(ana, row.id, "same-person", target=str(told["joe"])).text
    with company.database.read() as conn:
        joe = contacts.contact(conn, company.account, told["joe"])
    assert joe.addresses == ("joe@initech.test", PAUL)
    assert due(company) == [(row.provider_id, "new-address")]
    assert press(ana, row.id, "same-person", target="9999").status_code == 404


def test_a_contact_who_is_there_already_is_no_error(ana, company, row_of):
    row = row_of(PAUL)
    company.contact("Paul", PAUL)
    assert "belongs to a contact already" in press(ana, row.id, "add-contact").text


def test_an_entry_is_taken_off_the_never_log_list(ana, company, told):
    with company.database.begin() as conn:
        user = company.world.users[ANA]
        never_log.add(conn, company.account, user, ["stranger.test"], company.now)
    row = refuse(company, "never-log")
    text = ana.get("/why?rule=never-log").text
    assert "It is kept out by the Never Log list: stranger.test (your own list)." in text
    assert "Take stranger.test off your list" in text
    (target,) = re.findall(r'name="target" value="(\d+)"', text)
    assert "stranger.test is off the list." in press(ana, row, "never-log", target=target).text
    assert [reason for _, reason in due(company)] == ["setting"]
    assert press(ana, row, "never-log", target=target).status_code == 404


def test_a_member_takes_nothing_off_the_companys_list(ana, ben, company, told):
    with company.database.begin() as conn:
        never_log.add(conn, company.account, None, ["stranger.test"], company.now)
        (entry,) = never_log.rows(conn, company.account, None)
    row = refuse(company, "never-log", address=BEN)
    text = ben.get("/why").text
    assert "stranger.test (the list of your company)" in text
    assert "An admin can take the entry off" in text
    assert "Take stranger.test off" not in text
    assert press(ben, row, "never-log", target=str(entry.id)).status_code == 403


@pytest.mark.parametrize("everything", [False, True], ids=["this one", "all like it"])
def test_an_admin_turns_the_switch_over_for(ana, company, told, everything):
    turned = ("log_unknown_sender",)
    other = refuse(company, "unknown-sender", "zed@z.test", BEN, turned)
    row = refuse(company, "unknown-sender", "eve@x.test", ANA, turned)
    assert "Answers of strangers" in ana.get("/why?sender=eve").text
    form = {"all": "yes"} if everything else {}
    assert "Allowed" in press(ana, row, "allow", target=turned[0], **form).text
    with company.database.read() as conn:
        switches = account_settings.settings_of(conn, company.account).switches
        waits = waiting.waiting(conn, company.account, [row, other])
    assert switches.log_unknown_sender
    assert waits.keys() == ({row, other} if everything else {row})


def test_a_switch_that_keeps_mail_out_is_turned_off(ana, company, told):
    with company.database.begin() as conn:
        account_settings.set_setting(conn, company.account, "skip_automatic", True)
    row = refuse(company, "automatic", turned_by=("skip_automatic",))
    press(ana, row, "allow", target="skip_automatic")
    with company.database.read() as conn:
        assert not account_settings.settings_of(conn, company.account).switches.skip_automatic


@pytest.mark.parametrize("target", ["log_label", "", "nonsense"])
def test_only_switches_can_be_turned(ana, company, told, target):
    row = refuse(company, "unknown-sender")
    assert press(ana, row, "allow", target=target).status_code == 404


def test_a_member_turns_no_switch(ben, company, told):
    row = refuse(company, "unknown-sender", PAUL, BEN, ("log_unknown_sender",))
    assert "Allow this" not in ben.get("/why").text
    assert press(ben, row, "allow", target="log_unknown_sender").status_code == 403


def test_without_scripts_the_page_says_what_was_done(ana, told, row_of):
    answer = ana.post(f"/why/rows/{row_of(PAUL).id}/add-contact", {})
    assert answer.status_code == 302
    assert "is a contact now" in ana.get(answer.location).text


def test_rows_are_for_the_mailboxs_owner_alone(ana, ben, row_of):
    row = row_of(PAUL)
    for path in (f"/why/rows/{row.id}", f"/why/rows/{row.id}/values"):
        assert ben.get(path).status_code == 403
        assert ana.get(path.replace(str(row.id), "9999")).status_code == 404
    assert press(ben, row.id, "add-contact").status_code == 403
    assert press(ana, row.id, "nonsense").status_code == 404


def test_a_stopped_mailbox_offers_to_reconnect(ana, company, told):
    company.stop(ANA, "revoked")
    text = ana.get("/why").text.partition('id="lines"')[2]
    assert 'href="/mailboxes/1/reconnect"' in text
    assert "Add contact and log" not in text
    assert "Show the values" not in text


def test_forwarding_shows_the_address_or_who_can_set_it(ana, ben, company, told):
    refuse(company, "subject-changed", address=BEN)
    assert "Set one in Settings" in ana.get("/why").text
    assert "An admin can set one" in ben.get("/why").text
    with company.database.begin() as conn:
        account_settings.set_setting(
            conn, company.account, "forwarding_address", "forward@acme.test"
        )
    assert 'href="mailto:forward@acme.test"' in ben.get("/why").text


class Answering:
    """A mail client that gives the headers of one message, or fails."""

    def __init__(self, headers):
        self.found = headers
        self.closed = 0

    def headers(self, refs):
        if isinstance(self.found, Exception):
            raise self.found
        return [self.found]

    def spent(self):
        return Spent(((1, 20),))

    def close(self):
        self.closed += 1


def values(company, make_app, row, found):
    mail = Answering(found)
    client = Client(make_app(open_client=lambda *_: mail))
    client.sign_in()
    text = client.get(f"/why/rows/{row.id}/values", headers=HX).text
    assert mail.closed == 1
    return text


def test_values_that_are_not_kept_are_read_while_the_owner_looks(company, make_app, told, row_of):
    row = row_of("bob@globex.test")
    headers = replace(
        company.world.refused(99, "subject-changed", "bob@globex.test").headers,
        subject="A secret invoice",
    )
    text = values(company, make_app, row, headers)
    assert "A secret invoice" in text
    assert "Nothing of it is kept." in text
    with company.database.read() as conn:
        assert journal.row(conn, company.account, row.id) == row


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "not in the mailbox any more"),
        (Gone(), "not in the mailbox any more"),
        (Retry(30), "does not answer right now"),
        (Retry(), "does not answer right now"),
        (Operator("x"), "does not answer right now"),
        (Reconnect("revoked"), "must be connected again"),
    ],
    ids=repr,
)
def test_why_values_cannot_be_read_is_said(company, make_app, told, row_of, found, words):
    assert words in values(company, make_app, row_of(PAUL), found)


def test_a_mailbox_that_is_being_read_is_not_asked_beside(ana, company, told, row_of):
    with company.database.begin() as conn:
        mailboxes.take_lease(conn, company.boxes[ANA].id, "a run", company.now, timedelta(hours=1))
    assert "being read just now" in ana.get(f"/why/rows/{row_of(PAUL).id}/values").text


def test_a_limit_that_a_page_meets_holds_for_the_mailbox(company, make_app, told, row_of):
    values(company, make_app, row_of(PAUL), Limited("concurrency"))
    with company.database.read() as conn:
        row = mailboxes.by_id(conn, company.boxes[ANA].id)
    assert (row.blocked_by, row.rests(company.now)) == ("limit:concurrency", True)
    with company.database.begin() as conn:
        assert mailboxes.take_lease(conn, row.id, "a run", company.now, timedelta(minutes=1))


def test_a_limit_that_nobody_met_stops_no_run(company, make_app, told, row_of):
    text = values(company, make_app, row_of(PAUL), OutOfBudget(30.0))
    assert "does not answer right now" in text
    with company.database.read() as conn:
        row = mailboxes.by_id(conn, company.boxes[ANA].id)
    assert (row.blocked_by, row.blocked_until) == ("", None)


def test_what_a_page_asks_counts_for_the_mailbox(company, make_app, told, row_of):
    values(company, make_app, row_of(PAUL), Gone())
    with company.database.read() as conn:
        row = mailboxes.by_id(conn, company.boxes[ANA].id)
    assert row.spent == Spent(((1, 20),))


def test_a_mailbox_that_must_wait_is_not_asked(ana, company, told, row_of):
    with company.database.begin() as conn:
        until = company.now + timedelta(minutes=5)
        limits.block(conn, company.boxes[ANA], until, "limit:user", company.now)
    assert "does not answer right now" in ana.get(f"/why/rows/{row_of(PAUL).id}/values").text


def test_an_admin_sees_numbers_of_all_mailboxes_and_no_row(ana, ben, company, told):
    refuse(company, "not-owner", "zed@z.test", BEN)
    text = ana.get("/why/counts").text
    assert BEN in text
    assert "Another user&#39;s thread (1)" in text
    for hidden in ("zed@z.test", PAUL, "maria@globex.test"):
        assert hidden not in text
    assert ben.get("/why/counts").status_code == 403

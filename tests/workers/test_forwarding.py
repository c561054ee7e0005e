"""Forwards, the logging address and team mailboxes, from a mailbox in memory to the timeline."""

from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import select

from crm.store import never_log
from crm.store import settings as account_settings
from crm.tables import ContactAddress, Email, EmailPerson, JournalRow
from providers.client import Retry
from tests.workers.conftest import Office

MARIA = "maria@globex.test"
ZOE = "Zoe Zuse <zoe@stranger.test>"
ROOT = "root-1@acme.test"
REPLY = "reply-1@stranger.test"
FORWARDING = "forward@in.acme.test"


@pytest.fixture
def office(sqlite_office: Office) -> Office:
    office = sqlite_office
    with office.database.begin() as conn:
        for name, value in {
            "forwarding_address": FORWARDING,
            "trusted_authserv_ids": ("mx.acme.test",),
        }.items():
            account_settings.set_setting(conn, office.account_id, name, value)
    return office


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, with a logged mail to Maria, who is a contact."""
    office.contact(MARIA)
    mailbox = office.mailbox("ana@acme.test")
    office.send(mailbox, MARIA, "Offer 12", ROOT)
    office.sync(mailbox)
    return mailbox


def forwarded(sender: str = ZOE, to: str = "Ana <ana@acme.test>", body: str = "We take it.") -> str:
    head = ["---------- Forwarded message ---------", f"From: {sender}"]
    head += ["Date: Mon, Mar 2, 2026 at 9:31 AM", "Subject: Re: Offer 12", f"To: {to}"]
    return "\r\n".join(["Please log.", "", *head, "", body])


def forward(office: Office, mailbox: int, message_id: str = "f1@acme.test", **changes: Any) -> str:
    """Ana forwards the reply in her mailbox to the forwarding address."""
    given = {"answers": REPLY, "bcc": "", "body": forwarded(), "subject": "Fwd: Offer 12"} | changes
    subject = given.pop("subject")
    return office.send(mailbox, FORWARDING, subject, message_id, **given)


def run(office: Office) -> None:
    """All mailboxes are read, and what that wakes."""
    office.sync(*office.boxes)
    office.settle(5)


def emails(office: Office) -> list[Any]:
    columns = (Email.message_id, Email.direction, Email.rule, Email.sender, Email.subject)
    query = select(*columns).where(Email.account_id == office.account_id, Email.message_id != ROOT)
    return office.rows(query.order_by(Email.id))


def of_contact(office: Office, address: str) -> bool:
    held = ContactAddress.account_id == office.account_id
    return bool(
        office.rows(select(ContactAddress.id).where(held, ContactAddress.address == address))
    )


def test_a_refused_reply_is_logged_by_forwarding_it(office: Office, ana: int) -> None:
    reply = office.deliver(ana, ZOE, "Re: Offer 12", REPLY, answers=ROOT)
    run(office)
    assert office.rules(ana)[reply] == "unknown-sender"

    ref = forward(office, ana)
    run(office)

    assert office.rules(ana)[ref] == "forwarded"
    assert emails(office) == [
        (REPLY, "forwarded", "forwarded", "zoe@stranger.test", "Re: Offer 12")
    ]
    assert of_contact(office, "zoe@stranger.test")
    assert office.rules(ana)[reply] == "duplicate"  # the reply itself is the same e-mail
    assert office.timeline() >= {(REPLY, 1, 2)}


def test_the_order_of_the_forward_and_its_original_does_not_matter(
    office: Office, ana: int
) -> None:
    ref = forward(office, ana)
    run(office)
    reply = office.deliver(ana, ZOE, "Re: Offer 12", REPLY, answers=ROOT)
    run(office)

    assert [each[0] for each in emails(office)] == [REPLY]
    assert (office.rules(ana)[ref], office.rules(ana)[reply]) == ("forwarded", "duplicate")


def test_forwarding_twice_and_by_a_colleague_logs_once(office: Office, ana: int) -> None:
    ben = office.mailbox("ben@acme.test")
    forward(office, ana)
    again = forward(office, ana, "f2@acme.test")
    his = forward(office, ben, "f3@acme.test")
    run(office)

    assert len(emails(office)) == 1
    assert (office.rules(ana)[again], office.rules(ben)[his]) == ("duplicate", "duplicate")


def test_without_an_id_forwarding_twice_logs_once_too(office: Office, ana: int) -> None:
    forward(office, ana, answers="")
    again = forward(office, ana, "f2@acme.test", answers="")
    run(office)

    assert len(emails(office)) == 1
    assert emails(office)[0][0] == ""
    assert office.rules(ana)[again] == "duplicate"


def test_a_forward_joins_the_thread_of_its_original(office: Office, ana: int) -> None:
    raw = office.mail(
        "ana@acme.test", FORWARDING, "Fwd: Offer 12", "f1@acme.test", body=forwarded()
    )
    chain = f"In-Reply-To: <{REPLY}>\r\nReferences: <{ROOT}> <{REPLY}>\r\n".encode()
    office.boxes[ana].send(chain + raw)
    run(office)

    threads = office.rows(select(Email.thread_id).where(Email.account_id == office.account_id))
    assert len(threads) == 2
    assert len(set(threads)) == 1


def test_the_id_of_somebody_elses_message_is_not_taken(office: Office, ana: int) -> None:
    office.deliver(ana, MARIA, "Other", "other@globex.test")
    office.sync(ana)
    forward(office, ana, answers="other@globex.test")
    run(office)

    assert [each[0] for each in emails(office)] == [""]


def test_an_answer_with_a_forward_pasted_in_takes_no_id(office: Office, ana: int) -> None:
    forward(office, ana, subject="Re: Offer 12")
    run(office)

    assert [each[0] for each in emails(office)] == [""]


def test_recipients_of_the_original_who_are_contacts_see_it(office: Office, ana: int) -> None:
    forward(office, ana, body=forwarded(to=f"Ana <ana@acme.test>, Maria <{MARIA}>"))
    run(office)

    assert office.timeline() >= {(REPLY, 2, 1)}
    people = select(EmailPerson.role, EmailPerson.address)
    found = set(office.rows(people.where(EmailPerson.account_id == office.account_id)))
    assert found >= {("from", "zoe@stranger.test"), ("to", "ana@acme.test"), ("to", MARIA)}
    assert not any(address == FORWARDING for _, address in found)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"body": "See below."}, "forward-unreadable"),
        ({"body": forwarded(sender="Zoe Zuse")}, "forward-unreadable"),
        ({"body": forwarded(sender="Ben <ben@acme.test>")}, "internal"),
        ({"body": forwarded(sender="Eve <eve@listed.test>")}, "never-log"),
    ],
    ids=["no forward in it", "no address", "a colleague wrote it", "its sender is listed"],
)
def test_what_is_not_logged_leaves_a_journal_row_alone(office, ana, changes, rule) -> None:
    with office.database.begin() as conn:
        never_log.add(conn, office.account_id, None, ["listed.test"], office.clock)
    ref = forward(office, ana, **changes)
    run(office)

    assert office.journal(ana)[ref] == ("refused", rule)
    assert emails(office) == []


def test_a_colleagues_message_may_be_logged(office: Office, ana: int) -> None:
    with office.database.begin() as conn:
        account_settings.set_setting(conn, office.account_id, "log_internal", True)
    ref = forward(office, ana, body=forwarded(sender="Ben <ben@acme.test>"))
    run(office)

    assert office.rules(ana)[ref] == "forwarded"
    assert not of_contact(office, "ben@acme.test")


def test_the_journal_says_which_switch_would_have_let_it_in(office: Office, ana: int) -> None:
    ref = forward(office, ana, body=forwarded(sender="Ben <ben@acme.test>"))
    run(office)

    held = (JournalRow.account_id == office.account_id, JournalRow.provider_id == ref)
    assert office.rows(select(JournalRow.turned_by).where(*held)) == [(("log_internal",),)]


def attached(office: Office) -> bytes:
    inner = EmailMessage()
    inner["From"], inner["To"], inner["Subject"] = ZOE, "ana@acme.test", "Re: Offer 12"
    inner["Date"], inner["Message-ID"] = "Mon, 2 Mar 2026 09:31:00 +0100", f"<{REPLY}>"
    inner["In-Reply-To"] = f"<{ROOT}>"
    inner.set_content("We take it.")
    inner.add_alternative("<p>We take it.</p>", subtype="html")
    outer = EmailMessage()
    outer["From"], outer["To"], outer["Subject"] = "ana@acme.test", FORWARDING, "for the log"
    outer["Message-ID"], outer["Date"] = (
        "<f1@acme.test>",
        f"{office.clock:%a, %d %b %Y %H:%M:%S} +0000",
    )
    outer.set_content("Please log.")
    outer.add_attachment(inner)
    return outer.as_bytes()


def test_an_attached_original_is_logged_whole_in_its_thread(office: Office, ana: int) -> None:
    office.boxes[ana].send(attached(office))
    run(office)

    assert emails(office) == [
        (REPLY, "forwarded", "forwarded", "zoe@stranger.test", "Re: Offer 12")
    ]
    held = Email.account_id == office.account_id
    texts = office.rows(select(Email.html, Email.sent_at).where(held, Email.message_id == REPLY))
    assert "<p>We take it.</p>" in texts[0][0]
    assert texts[0][1].isoformat() == "2026-03-02T08:31:00+00:00"
    threads = office.rows(select(Email.thread_id).where(held))
    assert len(set(threads)) == 1


def test_an_attachment_that_cannot_be_read_now_is_read_later(office: Office, ana: int) -> None:
    office.boxes[ana].refuse(Retry(), method="attachment")
    ref = office.boxes[ana].send(attached(office))
    office.sync(ana)
    assert office.pending() == [(ref, "error", 1)]

    run(office)
    assert office.rules(ana)[ref] == "forwarded"

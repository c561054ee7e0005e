"""A stranger's reply, where the account logs those for the thread's contacts (`log_unknown_sender`)."""

import pytest
from sqlalchemy import select

from crm.model import Place
from crm.store import contacts, never_log
from crm.store import settings as account_settings
from crm.tables import ContactAddress, Email, EmailContact
from tests.workers.conftest import BCC, Office

MARIA, PIA, ZOE = "maria@globex.test", "pia@umbrella.test", "zoe@stranger.test"
ROOT, REPLY = "root@acme.test", "reply@stranger.test"


def standing(office: Office) -> set[str]:
    """The addresses on whose timelines the reply is."""
    account = office.account_id
    query = (
        select(ContactAddress.address)
        .join(EmailContact, EmailContact.contact_id == ContactAddress.contact_id)
        .join(Email, Email.id == EmailContact.email_id)
        .where(
            ContactAddress.account_id == account,
            EmailContact.account_id == account,
            Email.account_id == account,
            Email.message_id == REPLY,
        )
    )
    return {address for (address,) in office.rows(query)}


def become_contact(office: Office, address: str) -> None:
    with office.database.begin() as conn:
        contacts.add_contact(conn, office.account_id, "", [address], office.clock)


@pytest.mark.parametrize("late", [False, True], ids=["a contact before", "a contact later"])
@pytest.mark.parametrize(("lister", "expected"), [("ana", {MARIA, PIA}), ("ben", {MARIA})])
def test_the_list_of_whoever_got_the_reply_keeps_a_contact_away(
    sqlite_office: Office, late: bool, lister: str, expected: set[str]
) -> None:
    """Ana began the thread; the stranger's reply came to Ben alone."""
    office = sqlite_office
    office.contact(MARIA)
    ana, ben = office.mailbox("ana@acme.test"), office.mailbox("ben@acme.test")
    with office.database.begin() as conn:
        for name in ("log_unknown_sender", "any_connected_user"):
            account_settings.set_setting(conn, office.account_id, name, True)
        whose = office.users[f"{lister}@acme.test"]
        never_log.add(conn, office.account_id, whose, [PIA], office.clock)
    if not late:
        become_contact(office, PIA)
    office.boxes[ana].send(office.mail("ana@acme.test", f"{MARIA}, {PIA}", "Offer", ROOT))
    label = next(iter(office.boxes[ana].messages))
    office.boxes[ana].label(label, "Log to CRM")  # makes no contact of anybody
    office.sync(ana)
    office.deliver(ben, ZOE, "Re: Offer", REPLY, answers=ROOT)
    office.sync(ben)
    if late:
        become_contact(office, PIA)
    office.settle(steps=3)
    assert standing(office) == expected


@pytest.mark.parametrize("first", ["ana", "ben"])
def test_a_colleagues_copy_counts_alike_before_and_after_the_senders_own(
    sqlite_office: Office, first: str
) -> None:
    """Ana's own mail is a stranger's in Ben's mailbox: she is no contact."""
    office = sqlite_office
    office.contact(MARIA, PIA)
    boxes = {name: office.mailbox(f"{name}@acme.test") for name in ("ana", "ben")}
    with office.database.begin() as conn:
        for name in ("log_unknown_sender", "any_connected_user"):
            account_settings.set_setting(conn, office.account_id, name, True)
    office.send(boxes["ana"], f"{MARIA}, {PIA}", "Offer", ROOT)
    office.sync(boxes["ana"])
    both = f"{MARIA}, ben@acme.test"
    raw = office.mail("ana@acme.test", both, "Re: Offer", REPLY, answers=ROOT, bcc=BCC)
    for name in sorted(boxes, key=lambda each: each != first):
        office.boxes[boxes[name]].deliver(raw, Place.SENT if name == "ana" else Place.FOLLOWED)
        office.sync(boxes[name])
    office.settle(steps=3)
    assert standing(office) == {MARIA, PIA}

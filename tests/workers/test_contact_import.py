"""Contacts that are imported after their mail came."""

from crm.contact_file import FileRow
from crm.store import contact_import
from tests.workers.conftest import Office


def test_mail_that_was_refused_for_its_sender_is_judged_again(
    sqlite_office: Office,
):
    office = sqlite_office
    office.contact("known@globex.test")
    box = office.mailbox("ana@acme.test")
    office.send(box, "known@globex.test", "Offer", "root@acme.test")
    office.sync(box)
    office.deliver(box, "eva@globex.test", "Re: Offer", "r@globex.test", answers="root@acme.test")
    office.sync(box)
    assert "unknown-sender" in office.rules(box).values()

    row = FileRow(2, "Eva", ("eva@globex.test",), "")
    with office.database.begin() as conn:
        done = contact_import.store(conn, office.account_id, [row], office.clock)

    assert done.woken == {box}
    office.sync(box)
    assert "reply" in office.rules(box).values()

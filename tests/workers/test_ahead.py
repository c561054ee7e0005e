"""Messages that are to be logged are read together; where that fails, one by one."""

from datetime import timedelta

import pytest

from providers.client import Limited, Retry
from tests.workers.conftest import Office

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"


@pytest.fixture
def ana(office: Office) -> int:
    """Ana's mailbox, with a logged mail to Maria, who is a contact."""
    office.contact(MARIA)
    mailbox = office.mailbox("ana@acme.test")
    office.send(mailbox, MARIA, "Offer 12", ROOT)
    office.sync(mailbox)
    return mailbox


def replies(office: Office, ana: int) -> list[str]:
    """Three at once."""
    office.boxes[ana].calls.clear()
    return [office.deliver(ana, MARIA, "Re: Offer 12", f"r{n}@x", answers=ROOT) for n in range(3)]


@pytest.mark.parametrize("error", [Retry(None), Retry(60.0), ValueError("rubbish")], ids=repr)
def test_what_cannot_be_read_together_is_read_one_by_one(
    office: Office, ana: int, error: Exception
) -> None:
    refs = replies(office, ana)
    office.boxes[ana].refuse(error, method="messages")
    office.sync(ana)
    assert {office.journal(ana)[ref] for ref in refs} == {("logged", "reply")}
    assert (office.boxes[ana].calls["messages"], office.boxes[ana].calls["message"]) == (1, 3)


def test_a_limit_met_while_reading_together_is_not_tried_message_by_message(
    office: Office, ana: int
) -> None:
    replies(office, ana)
    office.boxes[ana].refuse(Limited("user", 900.0), method="messages")
    office.sync(ana)
    assert office.boxes[ana].calls["message"] == 0
    assert office.row(ana).blocked_until == office.clock + timedelta(seconds=900)


def test_what_answers_mail_of_its_own_batch_is_not_read_before_that_one_is_judged(
    office: Office, ana: int
) -> None:
    office.deliver(ana, MARIA, "Re: Offer 12", "a@x", answers=ROOT)
    office.deliver(ana, MARIA, "Re: Offer 12", "b@x", answers=ROOT)
    ref = office.deliver(ana, MARIA, "Re: Something else", "c@x", answers="a@x")
    office.boxes[ana].calls.clear()
    office.sync(ana)
    assert office.journal(ana)[ref] == ("refused", "subject-changed")
    assert office.boxes[ana].calls["message"] == 2

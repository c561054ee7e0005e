"""Messages that wait to be read again, or were given up, on the journal's page."""

import re
from datetime import timedelta

import pytest

from crm.model import Ref
from crm.store.outcomes import Later
from tests.web import story
from tests.web.test_why import ANA, PAUL, due, press


@pytest.fixture
def told(company):
    return story.tell(company)


def test_a_message_that_waits_is_tried_now_or_given_up(ana, company, told):
    soon = company.now + timedelta(minutes=7)
    company.world.settle(company.boxes[ANA], Later(Ref("w1"), "error", "ValueError", soon))
    text = ana.get("/why?verdict=pending").text
    assert "It could not be read yet: tried once." in text
    assert "in 7 min" in text
    row = int(re.search(r"/why/rows/(\d+)/again", text)[1])
    assert "Trying again now." in press(ana, row, "again").text
    assert due(company) == [("w1", "error")]
    company.world.settle(company.boxes[ANA], Later(Ref("w1"), "error", "ValueError", None))
    text = ana.get("/why").text
    assert "given up" in text
    assert "Given up. The message stays" in press(ana, row, "give-up").text
    assert "Try again now" in ana.get("/why?rule=error").text


def test_the_card_leads_to_the_messages_that_were_given_up_and_to_no_others(ana, company, told):
    box, soon = company.boxes[ANA], company.now + timedelta(minutes=7)
    company.world.settle(
        box,
        Later(Ref("stuck"), "error", "ValueError", None),
        Later(Ref("killer"), "fatal", "WorkerDied", None),
        Later(Ref("waits"), "error", "KeyError", soon),
    )
    link = re.search(r'href="([^"]+)">2 messages could not be read', ana.get("/mailboxes").text)[1]
    text = ana.get(link.replace("&amp;", "&")).text
    assert text.count('<strong class="bad">given up') == 2
    assert "This message made replylog stop three times." in text
    assert "The last error was ValueError." in text
    assert "KeyError" not in text
    assert "KeyError" in ana.get("/why?verdict=pending").text


@pytest.mark.parametrize("reason", ["error", "gone", "fatal", "late-root", "setting"])
@pytest.mark.parametrize("known", [False, True])
def test_what_was_given_up_is_tried_again_or_given_up_from_the_page(
    ana, company, told, reason, known
):
    box = company.boxes[ANA]
    if known:
        company.world.settle(box, company.world.refused(77, "unknown-thread", PAUL))
    ref = "p77" if known else "new"
    company.world.settle(box, Later(Ref(ref), reason, "ValueError", None))
    assert due(company) == []
    text = ana.get("/why?verdict=given-up").text
    row = int(re.search(r"/why/rows/(\d+)/again", text)[1])
    assert "Trying again now." in press(ana, row, "again").text
    assert due(company) == [(ref, reason)]
    company.world.settle(box, Later(Ref(ref), reason, "ValueError", None))
    press(ana, row, "give-up")
    assert "No message fits" in ana.get("/why?verdict=given-up").text
    assert due(company) == []

"""What the journal says of rows in a real database, and what comes of trying again."""

from dataclasses import replace

import pytest

from crm.journal_lines import lines
from crm.journal_model import Do
from crm.model import Ref, Visibility
from crm.store import journal, never_log, visibility, waiting
from crm.store.context import nearest_roots
from crm.store.outcomes import Later
from tests.crm.store_world import ZOE

EVE = "eve@x.test"


@pytest.fixture
def ana(world):
    """Ana's mailbox, which has logged an offer (m1) to Zoe."""
    mailbox = world.mailbox()
    world.contact(ZOE, name="Zoe Zander")
    world.settle(mailbox, world.sent(1, [ZOE], subject="Offer 12"))
    return mailbox


def told(world, mailbox, user="ana@acme.test", is_admin=False):
    """The lines of a mailbox by the provider's id."""
    with world.database.read() as conn:
        rows = journal.rows(conn, world.account, mailbox.id, journal.Filter()).items
        made = lines(conn, world.viewer(user), rows, [mailbox], is_admin)
    return {each.entry.provider_id: each for each in made}


def refused_in_the_thread(world, mailbox):
    """A stranger's answer to the offer, refused by a run that knew of the thread."""
    refused = world.refused(2, "unknown-sender", EVE)
    with world.database.read() as conn:
        roots = nearest_roots(conn, world.account, [refused.headers])
    world.settle(mailbox, replace(refused, root=roots["p2"]))


def test_a_refused_reply_names_the_thread_it_answers(world, ana):
    refused_in_the_thread(world, ana)
    line = told(world, ana)["p2"]
    assert "“Offer 12”, a thread that you began" in line.words.sentence
    assert [each.label for each in line.words.actions][1] == "Same person as Zoe Zander"
    assert told(world, ana)["p1"].words.sentence == "→ Zoe Zander · Offer 12"


def test_a_thread_that_may_not_be_seen_is_not_named(world, ana):
    world.settle(ana, world.refused(2, "unknown-sender", EVE))
    with world.database.begin() as conn:
        (row,) = [
            each
            for each in journal.rows(conn, world.account, ana.id, journal.Filter()).items
            if each.email_id
        ]
        viewer = world.viewer("ana@acme.test")
        visibility.restrict(conn, viewer, row.email_id, Visibility.OWNER)
    world.user("ben@acme.test")
    hidden = told(world, ana, "ben@acme.test")
    assert "Offer" not in repr(hidden)
    assert "Offer 12" in told(world, ana)["p2"].words.sentence


def test_the_never_log_entries_that_match_are_named(world, ana):
    with world.database.begin() as conn:
        never_log.add(conn, world.account, None, ["*.x.test"], world.now)
        never_log.add(conn, world.account, None, ["x.test"], world.now)
        never_log.add(conn, world.account, ana.user_id, [EVE], world.now)
    world.settle(ana, world.refused(2, "never-log", EVE), world.refused(3, "never-log", ZOE))
    found = told(world, ana)
    assert "eve@x.test (your own list), x.test (the list of your company)" in (
        found["p2"].words.sentence
    )
    assert "Nobody in it is listed any more" in found["p3"].words.sentence


def test_the_contact_of_the_thread_may_be_the_one_who_is_listed(world, ana):
    with world.database.begin() as conn:
        never_log.add(conn, world.account, None, [ZOE], world.now)
    world.settle(ana, world.refused(2, "never-log", EVE))
    assert ZOE in told(world, ana)["p2"].words.sentence


def test_a_waiting_message_is_tried_now_or_given_up_and_then_tried_again(world, ana):
    world.settle(ana, Later(Ref("p2", "t2"), "error", "ValueError", None))
    row = told(world, ana)["p2"].entry
    assert told(world, ana)["p2"].words.verdict == "given up"
    with world.database.begin() as conn:
        assert waiting.try_again(conn, world.account, row.id, world.now) == {ana.id}
    assert world.due_in(ana) == [("p2", "error")]
    assert told(world, ana)["p2"].about.waiting.attempts == 0
    with world.database.begin() as conn:
        waiting.give_up(conn, world.account, row.id, world.now)
    line = told(world, ana)["p2"]
    assert (line.words.verdict, line.about.waiting, world.due_in(ana)) == ("not logged", None, [])
    assert [each.do for each in line.words.actions] == [Do.AGAIN, Do.FORWARD]
    with world.database.begin() as conn:
        assert waiting.judge_again(conn, world.account, row.id, world.now) == {ana.id}
    assert told(world, ana)["p2"].again


def test_giving_up_leaves_a_settled_verdict_alone(world, ana):
    world.settle(ana, world.refused(2, "unknown-sender", EVE))
    row = told(world, ana)["p2"].entry
    with world.database.begin() as conn:
        waiting.give_up(conn, world.account, row.id, world.now)
        assert waiting.try_again(conn, world.account, 99_999, world.now) == set()
    assert told(world, ana)["p2"].entry == row

"""What ticked e-mails answer, and verdicts that were overtaken, as the store knows them."""

from dataclasses import replace

from crm.model import Place
from crm.store import answers
from crm.store import settings as account_settings
from tests.crm.store_world import ZOE, World, message_id


def turn_on(world: World, name: str) -> None:
    with world.database.begin() as conn:
        account_settings.set_setting(conn, world.account, name, True)


def answered(world, user_id, *numbers):
    with world.database.read() as conn:
        names = [message_id(each) for each in numbers]
        return answers.answered_by(conn, world.account, user_id, names)


def test_a_ticked_e_mail_answers_the_first_that_it_refers_to_and_no_other(world):
    ana = world.mailbox()
    ben = world.mailbox("ben@acme.test")
    world.settle(
        ana,
        world.sent(
            5, in_reply_to=(message_id(3), message_id(2)), references=(message_id(1), message_id(3))
        ),
        world.sent(6, references=(message_id(7), message_id(8)), subject="AW: Lunch"),
    )
    subjects = {message_id(3): {"offer"}, message_id(8): {"lunch"}}
    assert answered(world, ana.user_id, 1, 2, 3, 5, 7, 8) == subjects
    assert answered(world, ben.user_id, 3, 8) == {}
    assert answered(world, None, 3, 8) == {}


def test_replies_and_e_mails_that_nobody_ticked_answer_nothing(world):
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    world.settle(ana, world.reply(2, None, answers=1))
    known = world.sent(3, in_reply_to=(message_id(9),))
    world.settle(ana, replace(known, verdict=replace(known.verdict, rule="sent-in-thread")))
    assert answered(world, ana.user_id, 1, 9) == {}


def test_an_original_judged_before_and_stored_after_its_answer_is_noticed(world):
    turn_on(world, "log_parent")
    ana = world.mailbox()
    world.contact(ZOE)
    world.settle(ana, world.sent(2, in_reply_to=(message_id(1),)))
    original = world.refused(1, "not-a-reply", in_reply_to=())
    world.settle(ana, original)
    assert world.due_in(ana) == [("p1", "overtaken")]
    world.settle(ana, original)
    assert world.due_in(ana) == [("p1", "overtaken")], "it was judged without the answer once more"


def test_an_own_reply_judged_before_and_stored_after_its_root_is_noticed(world):
    turn_on(world, "log_own_replies")
    ana = world.mailbox()
    world.settle(ana, world.sent(1))
    own = world.refused(2, "not-ticked", "ana@acme.test")
    world.settle(ana, replace(own, headers=replace(own.headers, place=Place.SENT)))
    assert world.due_in(ana) == [("p2", "overtaken")]


def test_without_the_switches_nothing_goes_round(world):
    ana = world.mailbox()
    world.contact(ZOE)
    world.settle(ana, world.refused(1, "not-a-reply", in_reply_to=()))
    world.settle(ana, world.sent(2, in_reply_to=(message_id(1),)))
    world.settle(ana, world.refused(3, "not-a-reply", in_reply_to=()))
    assert world.due_in(ana) == []


def test_the_original_of_a_ticked_answer_is_looked_at_again_in_the_users_own_mailboxes(world):
    turn_on(world, "log_parent")
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    for box in (ana, ben):
        world.settle(box, world.refused(1, "not-a-reply", in_reply_to=()))
    done = world.settle(ana, world.sent(2, in_reply_to=(message_id(1),)))
    assert done.woken == {ana.id}
    assert world.due_in(ana) == [("p1", "answered")]
    assert world.due_in(ben) == []

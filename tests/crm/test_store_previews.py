"""What a switch would have changed: counted from the journal alone."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from crm.store import previews
from crm.store import settings as account_settings
from crm.store.outcomes import Seen
from crm.store.previews import Preview


def refused(world, number, *names, **more):
    return replace(world.refused(number, "subject-changed", **more), turned_by=names)


def logged(world, number, *names, **more):
    return replace(world.reply(number, None, **more), turned_by=names)


def preview(world):
    with world.database.read() as conn:
        return previews.switches(conn, world.account, world.now)


def turn_on(world, name):
    with world.database.begin() as conn:
        account_settings.set_setting(conn, world.account, name, True)


def test_refused_messages_count_for_each_switch_that_would_let_them_in(world):
    ana = world.mailbox()
    world.settle(
        ana,
        refused(world, 1, "subject_changes_allowed", "log_all_known"),
        refused(world, 2, "subject_changes_allowed"),
        refused(world, 3),
        refused(world, 4, "log_unknown_sender", message_id=""),
        refused(world, 5, "log_unknown_sender", message_id=""),
    )
    assert preview(world) == {
        "subject_changes_allowed": Preview(more=2),
        "log_all_known": Preview(more=1),
        "log_unknown_sender": Preview(more=2),
    }


def test_a_message_that_came_to_two_mailboxes_counts_once(world):
    world.settle(world.mailbox(), refused(world, 1, "log_internal"))
    world.settle(world.mailbox("ben@acme.test"), refused(world, 1, "log_internal", to=()))
    assert preview(world) == {"log_internal": Preview(more=1)}


def test_what_a_switch_that_is_on_let_in_counts_against_turning_it_off(world):
    turn_on(world, "log_all_known")
    world.settle(world.mailbox(), logged(world, 1, "log_all_known", "skip_automatic"))
    assert preview(world) == {
        "log_all_known": Preview(fewer=1),
        "skip_automatic": Preview(fewer=1),
    }


def test_what_was_decided_while_the_switch_stood_the_other_way_does_not_count(world):
    ana = world.mailbox()
    world.settle(ana, refused(world, 1, "log_all_known"), logged(world, 2, "skip_automatic"))
    turn_on(world, "log_all_known")
    turn_on(world, "skip_automatic")
    assert preview(world) == {}
    world.settle(ana, logged(world, 3, "log_all_known"), refused(world, 4, "skip_automatic"))
    assert preview(world) == {
        "log_all_known": Preview(fewer=1),
        "skip_automatic": Preview(more=1),
    }


@pytest.mark.parametrize("in_bens_mailbox", ["seen", "refused"])
def test_an_email_that_another_copy_lets_in_does_not_count(world, in_bens_mailbox):
    turn_on(world, "any_connected_user")
    ana, ben = world.mailbox(), world.mailbox("ben@acme.test")
    done = world.settle(ben, logged(world, 1, "any_connected_user"))
    assert preview(world) == {"any_connected_user": Preview(fewer=1)}
    (email_id,) = done.email_ids
    reply = world.reply(1, None)
    seen = Seen(reply.message.headers, email_id, reply.verdict)
    copy = seen if in_bens_mailbox == "seen" else refused(world, 1)
    world.settle(ana, copy)
    still = {} if in_bens_mailbox == "seen" else {"any_connected_user": Preview(fewer=1)}
    assert preview(world) == still


def test_only_the_last_thirty_days_count(world):
    ana = world.mailbox()
    world.settle(ana, refused(world, 1, "log_internal"))
    world.now += timedelta(days=31)
    assert preview(world) == {}


def test_a_message_judged_again_counts_as_it_was_judged_last(world):
    ana = world.mailbox()
    world.settle(ana, refused(world, 1, "log_internal"))
    world.settle(ana, refused(world, 1, "log_all_known"))
    assert preview(world) == {"log_all_known": Preview(more=1)}


def test_a_preview_takes_one_query_that_reads_only_what_a_switch_turns(world):
    asked = []
    turn_on(world, "log_all_known")
    with world.database.read() as conn:
        event.listen(conn, "before_cursor_execute", lambda *args: asked.append(args[2:4]))
        previews.switches(conn, world.account, world.now)
        counting, parameters = asked[-1]
        assert len(asked) == 2, "the settings, and the counts"
        if conn.dialect.name == "sqlite":
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {counting}", parameters).all()
        else:
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")  # the table is empty
            plan = conn.exec_driver_sql(f"EXPLAIN {counting}", parameters).all()
    assert "ix_journal_turned" in repr(plan)
    assert "SCAN journal" not in repr(plan)

"""The operator's numbers, and that each is found by an index."""

from datetime import timedelta

from sqlalchemy import event, update

from crm.outbox_tables import Delivery
from crm.store import endpoints, mailboxes, operations
from crm.tables import Mailbox
from crm.topics import State

URL = "https://crm.test/"
SMALL = {"lease", "webhook_endpoint"}  # a row for each role, at most 20 for an account


def state(world, later=timedelta()):
    with world.database.read() as conn:
        return operations.state(conn, world.now + later)


def set_all(world, **values):
    with world.database.begin() as conn:
        conn.execute(update(Mailbox).where(Mailbox.account_id == world.account).values(values))


def test_an_empty_installation_has_nothing_to_say(world):
    found = state(world)
    assert (found.connected, found.reconnect, found.disconnected) == (0, 0, 0)
    assert (found.lag, found.oldest_due, found.outbox.oldest) == (operations.Lag(), None, None)


def test_mailboxes_are_counted_by_status_and_cause_over_all_accounts(world):
    names = [f"m{number}@acme.test" for number in range(5)]
    ids = [world.mailbox(name).id for name in names]
    world.other_account().mailbox("x@other.test")
    with world.database.begin() as conn:
        for mailbox_id, cause in zip(ids, ("revoked", "revoked", "mfa"), strict=False):
            mailboxes.need_reconnect(conn, world.account, mailbox_id, cause, world.now)
        mailboxes.disconnect(conn, world.account, ids[3], world.now)
    found = state(world)
    assert (found.connected, found.disconnected) == (2, 1)
    assert found.stopped == {"revoked": 2, "mfa": 1}


def test_the_lag_is_that_of_the_last_and_of_the_one_in_the_middle(world):
    for number in range(3):
        world.mailbox(f"m{number}@acme.test")
        with world.database.begin() as conn:
            conn.execute(
                update(Mailbox)
                .where(
                    Mailbox.account_id == world.account, Mailbox.address == f"m{number}@acme.test"
                )
                .values(settled_at=world.now - timedelta(minutes=number))
            )
    lag = state(world).lag
    assert (world.now - lag.worst, world.now - lag.median) == (
        timedelta(minutes=2), timedelta(minutes=1),
    )  # fmt: skip


def test_what_waits_for_a_limit_or_is_overdue_is_counted_until_then(world):
    world.mailbox()
    set_all(world, blocked_until=world.now + timedelta(minutes=5), wake_at=world.now)
    now, later = state(world), state(world, timedelta(minutes=6))
    assert (now.blocked, later.blocked) == (1, 0)
    assert later.oldest_due == world.now


def test_the_outbox_tells_of_what_is_due_dead_and_oldest_but_not_of_what_a_person_paused(world):
    with world.database.begin() as conn:
        made = endpoints.add(conn, world.account, URL, ["t"], world.secrets, world.now)
        endpoints.send_test(conn, world.account, made.id, world.now)
    found = state(world, timedelta(minutes=1))
    assert (found.outbox.due, found.outbox.dead, found.outbox.oldest) == (1, 0, world.now)
    mine = Delivery.account_id == world.account
    with world.database.begin() as conn:
        conn.execute(update(Delivery).where(mine).values(next_at=None))
    assert state(world).outbox.dead == 1
    with world.database.begin() as conn:
        conn.execute(update(Delivery).where(mine).values(next_at=world.now))
        endpoints.pause(conn, world.account, made.id, State.PAUSED)
    assert state(world).outbox.due == 0
    assert state(world).stopped_endpoints == 0
    with world.database.begin() as conn:
        endpoints.pause(conn, world.account, made.id, State.FAILING)
    assert state(world).stopped_endpoints == 1


def test_every_number_is_found_by_an_index(world):
    if world.database.dialect != "sqlite":
        return  # PostgreSQL reads small tables whole, and these are empty
    asked: list[tuple[str, object]] = []

    def note(_conn, _cursor, statement, parameters, *_rest):
        asked.append((statement, parameters))

    event.listen(world.database.engine, "before_cursor_execute", note)
    state(world)
    event.remove(world.database.engine, "before_cursor_execute", note)

    with world.database.engine.connect() as conn:
        plans = [
            str(row[3])
            for statement, parameters in asked
            for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    whole = [each for each in plans if each.startswith("SCAN") and "INDEX" not in each]
    assert len(asked) > 10
    assert {each.split()[1] for each in whole} <= {*SMALL, "anon_1"}  # anon_1: what was found
    assert any("USING" in each and "INDEX" in each for each in plans)


def test_the_size_of_the_database_is_told(world):
    with world.database.read() as conn:
        assert operations.size(conn) > 10_000

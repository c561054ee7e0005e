"""Mailboxes: connecting, leases, tokens, watches, and who is due."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.model import Folder, MailboxStatus, Period, Place, Ref, WatchState
from crm.store import leases, limits, mailboxes, watching
from crm.store.outcomes import Refused
from crm.store.watching import secret_digest
from crm.tables import Mailbox, OutboxEvent
from tests.crm.store_world import TTL, a_token, in_threads

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.fixture
def ana(world):
    return world.mailbox()


def stored(world, mailbox):
    with world.database.read() as conn:
        return mailboxes.mailbox(conn, world.account, mailbox.id)


def connect(world, now=None, **changes):
    new = mailboxes.NewMailbox(
        world.user("ana@acme.test"), "Ana@acme.test", "gmail", a_token(world.now), cursor="c9"
    )
    with world.database.begin() as conn:
        return mailboxes.connect(
            conn, world.account, replace(new, **changes), world.secrets, now or world.now
        )


def take(world, mailbox, token, now=None):
    with world.database.begin() as conn:
        return mailboxes.take_lease(conn, mailbox.id, token, now or world.now, TTL)


def release(world, mailbox, token, now=None):
    with world.database.begin() as conn:
        return mailboxes.release(conn, mailbox, token, now or world.now, world.now + HOUR)


def test_a_new_mailbox_is_woken_at_once_and_known_by_its_address(world, ana):
    assert ana.status is MailboxStatus.CONNECTED
    assert (ana.cursor, ana.wake_at, ana.renew_at, ana.settled_at) == ("c0", *[world.now] * 3)
    with world.database.read() as conn:
        assert mailboxes.by_address(conn, "ANA@acme.test") == [(world.account, ana.id)]
        assert mailboxes.by_id(conn, ana.id) == ana
        assert mailboxes.list_mailboxes(conn, world.account) == [ana]
        assert mailboxes.mailbox(conn, world.account, ana.id + 1) is None
        assert mailboxes.due(conn, world.now, 10) == [(world.account, ana.id)]
        assert mailboxes.due_watches(conn, world.now, 10) == [(world.account, ana.id)]
        assert mailboxes.due(conn, world.now - HOUR, 10) == []


def test_reconnecting_in_place_keeps_cursor_and_opens_a_new_period(world, ana):
    with world.database.begin() as conn:
        mailboxes.set_folders(conn, world.account, ana.id, [Folder("f1", "In", "inbox")])
        assert mailboxes.need_reconnect(conn, world.account, ana.id, "revoked", world.now)
    assert (stored(world, ana).status, stored(world, ana).cause) == ("reconnect", "revoked")
    later = world.now + HOUR
    assert connect(world, later) == ana.id
    again = stored(world, ana)
    assert (again.cursor, again.status, again.cause) == ("c0", "connected", "")
    assert (again.wake_at, again.renew_at, again.settled_at) == (later, later, world.now)
    with world.database.read() as conn:
        assert mailboxes.folders(conn, world.account, ana.id) == [Folder("f1", "In", "inbox")]
        assert mailboxes.periods(conn, world.account, ana.id) == (
            Period(world.now, world.now),
            Period(later),
        )


def test_connecting_a_connected_mailbox_again_opens_no_second_period(world, ana):
    connect(world, world.now + HOUR)
    with world.database.read() as conn:
        assert mailboxes.periods(conn, world.account, ana.id) == (Period(world.now),)


def test_another_provider_brings_a_new_cursor_and_no_old_folders(world, ana):
    with world.database.begin() as conn:
        mailboxes.set_folders(conn, world.account, ana.id, [Folder("f1", "In", "inbox")])
        state = WatchState("f1", "sub", world.now + HOUR, "secret")
        mailboxes.set_watches(conn, ana, [state], None, world.now)
    assert connect(world, provider="graph") == ana.id
    assert (stored(world, ana).provider, stored(world, ana).cursor) == ("graph", "c9")
    with world.database.read() as conn:
        assert mailboxes.folders(conn, world.account, ana.id) == []
        assert mailboxes.watches(conn, world.account, ana.id) == []


def test_a_person_is_told_once_that_a_mailbox_must_be_reconnected(world, ana):
    def tell(cause):
        with world.database.begin() as conn:
            return mailboxes.need_reconnect(conn, world.account, ana.id, cause, world.now)

    assert [tell("revoked"), tell("mfa")] == [True, False]
    connect(world)
    assert tell("revoked")
    with world.database.read() as conn:
        payloads = conn.scalars(
            select(OutboxEvent.payload).where(
                OutboxEvent.account_id == world.account, OutboxEvent.topic == "mailbox.reconnect"
            )
        ).all()
    assert payloads == [{"mailbox_id": ana.id, "cause": "revoked"}] * 2
    assert (stored(world, ana).wake_at, stored(world, ana).renew_at) == (None, None)


def test_a_failure_with_old_tokens_does_not_stop_a_mailbox_that_was_reconnected(world, ana):
    with world.database.read() as conn:
        _, version = mailboxes.tokens(conn, world.account, ana.id, world.secrets)
    connect(world)
    with world.database.begin() as conn:
        assert not mailboxes.need_reconnect(
            conn, world.account, ana.id, "revoked", world.now, version
        )
    assert stored(world, ana).status == "connected"


def test_disconnecting_forgets_the_tokens_and_stops_the_run_under_way(world, ana):
    take(world, ana, "run")
    with world.database.begin() as conn:
        state = WatchState("mailbox", "", world.now + HOUR)
        mailboxes.set_watches(conn, ana, [state], None, world.now)
        mailboxes.disconnect(conn, world.account, ana.id, world.now)
    gone = stored(world, ana)
    assert (gone.status, gone.wake_at, gone.renew_at, gone.cursor) == (
        "disconnected", None, None, "c0",
    )  # fmt: skip
    with world.database.begin() as conn:
        with pytest.raises(mailboxes.NotConnected):
            mailboxes.tokens(conn, world.account, ana.id, world.secrets)
        with pytest.raises(mailboxes.LeaseLost):
            mailboxes.renew_lease(conn, ana, "run", world.now + TTL)
        assert mailboxes.watches(conn, world.account, ana.id) == []
        assert mailboxes.periods(conn, world.account, ana.id) == (Period(world.now, world.now),)
    assert take(world, ana, "next") is None
    release(world, ana, "run")
    assert stored(world, ana).wake_at is None


def test_one_of_two_workers_gets_the_lease(world, ana):
    for turn in range(5):
        at = world.now + turn * 2 * TTL
        got = []
        calls = [
            lambda token=token, at=at, got=got: got.append(take(world, ana, token, at))
            for token in ("one", "two", "three", "four")
        ]
        assert in_threads(calls) == []
        assert sum(each is not None for each in got) == 1


def test_a_held_mailbox_is_due_when_its_lease_ends(world, ana):
    assert take(world, ana, "dead").wake_at == world.now + TTL
    assert take(world, ana, "next") is None
    with world.database.read() as conn:
        assert mailboxes.due(conn, world.now, 10) == []
        assert mailboxes.due(conn, world.now + TTL, 10) == [(world.account, ana.id)]
    assert take(world, ana, "next", world.now + TTL) is not None
    with pytest.raises(mailboxes.LeaseLost), world.database.begin() as conn:
        mailboxes.renew_lease(conn, ana, "dead", world.now + 2 * TTL)


def test_a_ring_during_a_run_makes_one_more_run(world, ana):
    take(world, ana, "run")
    assert take(world, ana, "other") is None
    release(world, ana, "run")
    assert stored(world, ana).wake_at == world.now
    take(world, ana, "run")
    release(world, ana, "run")
    rested = stored(world, ana)
    assert (rested.wake_at, rested.last_synced_at) == (world.now + HOUR, world.now)


def test_a_run_that_lost_its_lease_releases_nothing(world, ana):
    take(world, ana, "dead")
    take(world, ana, "next", world.now + TTL)
    release(world, ana, "dead")
    with world.database.begin() as conn:
        mailboxes.renew_lease(conn, ana, "next", world.now + 2 * TTL)


def test_a_ring_is_never_lost_between_two_workers(world, ana):
    """Whoever is refused the lease has rung: the mailbox is due at once when the holder ends."""
    for turn in range(20):
        assert take(world, ana, "holder") is not None
        got = []
        calls = [
            lambda: release(world, ana, "holder"),
            lambda got=got: got.append(take(world, ana, "other")),
        ]
        assert in_threads(calls) == []
        if got[0] is None:
            assert stored(world, ana).wake_at == world.now, turn
        else:
            release(world, ana, "other")


def test_tokens_are_encrypted_and_a_refresh_is_compare_and_set(world, ana):
    with world.database.begin() as conn:
        raw = conn.scalar(select(Mailbox.tokens).where(Mailbox.account_id == world.account))
        tokens, version = mailboxes.tokens(conn, world.account, ana.id, world.secrets)
    assert b"rt" in world.secrets.decrypt(raw)
    assert tokens == a_token(world.now)
    fresh = a_token(world.now, "fresh")

    def save(given, number):
        with world.database.begin() as conn:
            return mailboxes.save_tokens(conn, world.account, ana.id, given, number, world.secrets)

    assert save(fresh, version)
    assert not save(tokens, version)
    with world.database.read() as conn:
        assert mailboxes.tokens(conn, world.account, ana.id, world.secrets) == (fresh, version + 1)


def test_one_of_many_refreshes_is_stored(world, ana):
    saved = []

    def save(number):
        with world.database.begin() as conn:
            saved.append(
                mailboxes.save_tokens(
                    conn, world.account, ana.id, a_token(world.now, str(number)), 1, world.secrets
                )
            )

    assert in_threads([lambda number=number: save(number) for number in range(6)]) == []
    assert sorted(saved) == [False] * 5 + [True]


def test_a_renewed_watch_keeps_its_secret_unless_it_has_a_new_one(world, ana):
    def put(*states):
        with world.database.begin() as conn:
            mailboxes.set_watches(conn, ana, states, world.now + HOUR, world.now)

    def digest_of(provider_id):
        with world.database.read() as conn:
            found = mailboxes.watch_by_provider_id(conn, provider_id)
        return found and found[1]

    until = world.now + HOUR
    put(WatchState("f1", "s1", until, "one"), WatchState("f2", "s2", until, "two"))
    put(WatchState("f1", "s1", until + HOUR), WatchState("f2", "s9", until, "new"))
    assert digest_of("s1") == secret_digest("one")
    assert digest_of("s9") == secret_digest("new")
    assert digest_of("s2") is None
    assert digest_of("") is None
    assert stored(world, ana).renew_at == world.now + HOUR
    with world.database.read() as conn:
        found = mailboxes.watches(conn, world.account, ana.id)
    assert [(each.resource, each.provider_id, each.secret) for each in found] == [
        ("f1", "s1", ""),
        ("f2", "s9", ""),
    ]


def test_a_mailbox_can_be_blocked_for_a_while(world, ana):
    with world.database.begin() as conn:
        limits.block(conn, ana, world.now + HOUR, "limit:user", world.now)
    assert stored(world, ana).blocked_until == world.now + HOUR


def test_the_card_counts_what_came_since(world, ana):
    world.settle(
        ana,
        world.sent(1),
        world.refused(2, "unknown-thread"),
        world.refused(3, "unknown-sender"),
        Refused(Ref("x"), Place.JUNK, None, "junk"),
    )
    with world.database.read() as conn:
        counts = mailboxes.counts(conn, world.account, world.now)
        assert mailboxes.counts(conn, world.account, world.now + HOUR) == {}
    assert counts == {ana.id: mailboxes.Counts(seen=4, logged=1, refused=3)}


def test_one_process_at_a_time_plays_a_role(database, now):
    def take_role(holder, at=now):
        with database.begin() as conn:
            return leases.take(conn, "timetable", holder, at, TTL)

    got = []
    holders = ("a", "b", "c", "d")
    calls = [lambda holder=holder: got.append(take_role(holder)) for holder in holders]
    assert in_threads(calls) == []
    assert sorted(got) == [False] * 3 + [True]
    leader = next(holder for holder in holders if take_role(holder))
    other = next(holder for holder in holders if holder != leader)
    assert take_role(leader, now + TTL / 2)
    assert not take_role(other, now + TTL)
    assert take_role(other, now + 2 * TTL)
    with database.begin() as conn:
        leases.release(conn, "timetable", leader)
        leases.release(conn, "timetable", other)
    assert take_role(leader)


def test_watches_that_ran_out_are_overdue_or_missing_are_counted_for_all_accounts_up_to_a_limit(
    world,
):
    later = world.now + HOUR
    boxes = [world.mailbox(f"{name}@acme.test") for name in ("ana", "ben", "eva")]
    with world.database.begin() as conn:
        for box in boxes:
            state = WatchState("inbox", box.address, later)
            mailboxes.set_watches(conn, box, [state], later, world.now)
            watching.set_trouble(conn, box, "subscription-quota", world.now, later)

    def counted(when, most=1000):
        with world.database.read() as conn:
            ask = watching.expired, watching.overdue
            return [*(each(conn, when, most) for each in ask), watching.unwatched(conn, most)]

    assert counted(later - SECOND) == [0, 0, 3]
    assert counted(later) == [3, 3, 3]
    assert counted(later, most=2) == [2, 2, 2]
    with world.database.begin() as conn:
        mailboxes.need_reconnect(conn, world.account, boxes[0].id, "revoked", later)
        mailboxes.disconnect(conn, world.account, boxes[1].id, later)
    assert counted(later) == [1, 1, 1], "nobody reads the others"

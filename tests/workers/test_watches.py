"""Watches at the pretend providers: renewed, refused, removed, run out, silent; and what is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from crm.database import Database
from crm.model import WatchState
from tests.sandbox_process import Sandbox
from tests.workers.watched import DAY, HOUR, MINUTE, Watched, watched
from workers.lapses import WatchGauges
from workers.watches import renewal


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    made = Database(sqlite_url)
    yield made
    made.close()


@pytest.fixture
def graph(database: Database, redis: Any, secrets: Any, sandbox: Sandbox) -> Iterator[Watched]:
    with watched("graph", database, redis, secrets, sandbox) as made:
        yield made


@pytest.fixture
def gmail(database: Database, redis: Any, secrets: Any, sandbox: Sandbox) -> Iterator[Watched]:
    with watched("gmail", database, redis, secrets, sandbox) as made:
        yield made


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def ids(states: list[WatchState]) -> list[str]:
    return sorted(state.provider_id for state in states)


# ---- pushes


@pytest.mark.parametrize("odd", [True, False], ids=["the odd way", "the plain way"])
def test_a_push_rings_and_leaves_its_time(odd: bool, graph: Watched) -> None:
    switches = ("graph.odd_case", "graph.organization_id", "graph.created_updated")
    graph.sandbox.post("/control/switches", **dict.fromkeys(switches, odd))
    graph.forward(HOUR)
    ref = graph.deliver()
    assert graph.heard()
    graph.sync()
    assert ref in graph.seen
    pushed = graph.office.queue.pushed(graph.box, [each.resource for each in graph.watches])
    assert graph.office.clock in pushed.values()


def test_a_push_of_gmail_rings_and_leaves_its_time(gmail: Watched) -> None:
    assert gmail.heard(), "that of the watch itself"
    gmail.forward(HOUR)
    ref = gmail.deliver()
    assert gmail.heard()
    gmail.sync()
    assert ref in gmail.seen
    assert list(gmail.office.queue.pushed(gmail.box, ["mailbox"]).values()) == [gmail.office.clock]


# ---- renewal


def test_a_watch_is_renewed_before_half_its_life_and_each_at_another_moment() -> None:
    made = datetime(2026, 3, 2, tzinfo=UTC)
    for life in (HOUR, DAY, 7 * DAY):
        longest = min(life / 2, DAY)
        states = [WatchState("x", str(n), made + life, made_at=made) for n in range(200)]
        times = [renewal(state) - made for state in states]
        assert max(times) <= longest
        assert min(times) >= 0.8 * longest
        assert max(times) - min(times) > 0.18 * longest


def test_subscriptions_of_graph_are_renewed_in_place_before_half_their_life(
    graph: Watched,
) -> None:
    first = graph.watches
    graph.forward(0.79 * DAY)
    graph.sync()
    assert graph.watches == first, "not before it is due"
    graph.forward(0.21 * DAY)
    graph.sync()
    assert ids(graph.watches) == ids(first)
    assert min(each.expires_at for each in graph.watches) > first[0].expires_at + 0.9 * DAY
    assert graph.told == []


def test_renewing_the_watch_of_gmail_never_touches_the_cursor(gmail: Watched) -> None:
    gmail.timetable(HOUR)
    before = gmail.counts().get("gmail.watch", 0)
    gmail.forward(DAY)
    refs = {gmail.deliver(), gmail.deliver()}  # Gmail's answer to `watch` is past these
    gmail.sync()
    assert gmail.counts()["gmail.watch"] == before + 1
    assert refs <= gmail.seen


# ---- refusals


def test_a_mailbox_that_another_installation_watches_is_won_back_by_stop_and_watch(
    gmail: Watched,
) -> None:
    gmail.control("google/other-watch", topic="projects/sandbox/topics/of-another")
    gmail.forward(DAY)
    gmail.sync()
    (held,) = gmail.sandbox.get("/control/google/watches")
    assert held["topic"] == "projects/sandbox/topics/gmail"
    assert gmail.heard(), "a new watch announces itself"
    ref = gmail.deliver()
    assert gmail.heard()
    gmail.sync()
    assert ref in gmail.seen


def test_a_full_quota_is_told_once_asked_again_ever_later_and_mail_is_read_meanwhile(
    graph: Watched,
) -> None:
    graph.sandbox.post("/control/switches", **{"graph.subscription_quota": 0})
    graph.control("password")  # ends what there was
    graph.heard()
    before = metric("replylog_watch_refusals_total", provider="graph", cause="subscription-quota")
    graph.sync()
    assert graph.row.watch_problem == "subscription-quota"
    asked = graph.counts()["graph.subscriptions.create"]
    WatchGauges(graph.office.runtime).count_due(graph.office.clock)
    assert metric("replylog_mailboxes_unwatched") == 1
    ref = graph.deliver()
    graph.timetable(2 * HOUR)
    assert ref in graph.seen
    assert graph.counts()["graph.subscriptions.create"] - asked <= 8
    refused = "New mail is looked for every ten minutes until it is announced again."
    assert graph.told == [refused]
    after = metric("replylog_watch_refusals_total", provider="graph", cause="subscription-quota")
    assert after == before + 1
    graph.sandbox.post("/control/switches", **{"graph.subscription_quota": 1000})
    graph.timetable(HOUR + 10 * MINUTE)
    assert (graph.row.watch_problem, graph.row.unwatched_since) == ("", None)
    WatchGauges(graph.office.runtime).count_due(graph.office.clock)
    assert metric("replylog_mailboxes_unwatched") == 0
    assert len(graph.live) == len(graph.watches) == 2
    assert graph.told[1].startswith("New mail had not been announced to us for ")
    assert "was refused by the provider" in graph.told[1]
    assert graph.deliver()
    assert graph.heard()


def test_a_watch_that_is_missing_is_asked_for_again_in_seconds_and_then_ever_later(
    gmail: Watched,
) -> None:
    gmail.forget_watches()
    gmail.sandbox.post("/control/faults", match="/watch", kind="status", status=503, times=None)
    gmail.office.queue.rewatch(gmail.box)
    gmail.sync()
    pauses = []
    for _ in range(12):
        assert gmail.row.renew_at is not None
        pauses.append(gmail.row.renew_at - gmail.office.clock)
        gmail.forward(pauses[-1])
        gmail.sync()
    assert pauses[0] <= timedelta(seconds=3)
    assert 3 * MINUTE < max(pauses) <= 5 * MINUTE
    gmail.sandbox.http.delete("/control/faults")
    gmail.timetable(5 * MINUTE)
    assert gmail.watches


def test_folders_that_cannot_be_read_are_asked_for_again_in_seconds_and_then_ever_later(
    graph: Watched,
) -> None:
    graph.sandbox.post(
        "/control/faults", match="messageRules", kind="status", status=503, times=None
    )
    graph.office.queue.rewatch(graph.box)
    graph.sync()
    pauses = []
    for _ in range(12):
        pauses.append(graph.row.wake_at - graph.office.clock)
        graph.forward(pauses[-1])
        graph.sync()
    assert pauses[0] <= timedelta(seconds=3)
    assert 3 * MINUTE < max(pauses) <= 5 * MINUTE
    assert graph.row.renew_at < graph.office.clock - 5 * MINUTE, "it is seen to be overdue"


def test_of_two_watches_the_one_that_fits_into_the_quota_stays_and_works(graph: Watched) -> None:
    graph.sandbox.post("/control/switches", **{"graph.subscription_quota": 1})
    graph.control("password")
    graph.heard()
    graph.sync()
    assert len(graph.watches) == len(graph.live) == 1
    graph.deliver()
    assert graph.heard(), "its secret is known"
    assert graph.row.watch_problem == "subscription-quota"


def test_subscriptions_that_were_made_and_not_stored_are_replaced(graph: Watched) -> None:
    graph.forget_watches()
    graph.office.queue.rewatch(graph.box)
    graph.sync()
    assert sorted(each["id"] for each in graph.live) == ids(graph.watches)
    graph.deliver()
    assert graph.heard()


# ---- what Graph says of its subscriptions


def test_subscriptions_that_a_changed_password_ended_are_made_anew_at_once(
    graph: Watched,
) -> None:
    first = ids(graph.watches)
    graph.forward(2 * DAY)
    graph.control("password")
    assert graph.heard(), "Graph says that they were removed"
    graph.forward(3 * MINUTE)
    graph.sync()
    assert not set(first) & set(ids(graph.watches))
    assert len(graph.live) == 2
    assert graph.told == [
        "New mail had not been announced to us for up to 3 minutes, because the subscription for it "
        "had been ended by the provider. It was made anew. Mail was looked for all the same."
    ]


def test_one_that_is_gone_and_nobody_said_so_is_made_anew_when_it_is_due(graph: Watched) -> None:
    graph.sandbox.post("/control/notifications", drop=1.0)
    graph.control("password")
    before = metric("replylog_watch_lapses_total", provider="graph", why="removed")
    graph.forward(4 * DAY)
    graph.sync()
    assert len(graph.live) == len(graph.watches) == 2
    assert metric("replylog_watch_lapses_total", provider="graph", why="removed") == before + 1
    (told,) = graph.told
    assert "for up to" in told


def test_what_came_while_graph_waited_to_be_authorised_anew_is_found(graph: Watched) -> None:
    first = ids(graph.watches)
    graph.forward(HOUR)
    graph.lifecycle("reauthorizationRequired")
    ref = graph.deliver()  # never announced
    assert graph.heard()
    renewed = graph.counts().get("graph.subscriptions.update", 0)
    graph.sync()
    assert ref in graph.seen
    assert ids(graph.watches) == first, "renewed, not replaced"
    assert graph.counts()["graph.subscriptions.update"] == renewed + 2
    graph.lifecycle("reauthorizationRequired")
    assert graph.heard()
    graph.sync()
    assert graph.counts()["graph.subscriptions.update"] == renewed + 2, "not twice in ten minutes"
    graph.forward(15 * MINUTE)
    graph.lifecycle("reauthorizationRequired")
    assert graph.heard()
    graph.sync()
    assert graph.counts()["graph.subscriptions.update"] == renewed + 4
    graph.deliver()
    assert graph.heard()


def test_a_long_pause_because_nobody_answered_graph_is_told(graph: Watched) -> None:
    graph.lifecycle("reauthorizationRequired")
    assert graph.heard()
    graph.forward(2 * HOUR)  # no worker runs
    graph.sync()
    (told,) = graph.told
    assert "for 2 hours, because the subscription for it waited to be allowed anew" in told


def test_after_missed_notifications_the_folders_are_listed(graph: Watched) -> None:
    graph.forward(HOUR)
    graph.sandbox.post("/control/notifications", drop=1.0)
    ref = graph.deliver()
    graph.sandbox.post("/control/notifications", drop=0.0)
    graph.lifecycle("missed")
    assert graph.heard()
    graph.sync()
    assert ref in graph.seen
    assert graph.told == []


# ---- run out


def test_a_watch_that_ran_out_is_counted_made_anew_and_its_lapse_told(graph: Watched) -> None:
    before = metric("replylog_watch_lapse_seconds_total", provider="graph", why="expired")
    graph.forward(8 * DAY)
    gauges = WatchGauges(graph.office.runtime)
    gauges.count_due(graph.office.clock)
    assert metric("replylog_watches_expired") == 2
    assert metric("replylog_watches_overdue") == 1
    graph.sync()
    assert len(graph.live) == 2
    gauges.count_due(graph.office.clock + MINUTE)
    assert metric("replylog_watches_expired") == metric("replylog_watches_overdue") == 0
    (told,) = graph.told
    assert "for 1 day, because the subscription for it had run out" in told
    after = metric("replylog_watch_lapse_seconds_total", provider="graph", why="expired")
    assert timedelta(seconds=after - before) == 8 * DAY - timedelta(minutes=10_000)


def test_a_mailbox_that_is_connected_again_tells_of_no_lapse(graph: Watched) -> None:
    graph.connect()
    graph.forward(MINUTE)
    graph.sync()
    assert len(graph.live) == len(graph.watches) == 2
    assert [line for line in graph.told if "announced" in line] == []


# ---- silent


def silent_for_some_letters(box: Watched) -> None:
    """Until the timetable has found enough that nothing announced."""
    box.forward(2 * HOUR)
    box.sync()
    box.sync()
    box.heard(0.1)
    box.control(f"{'google' if box.provider == 'gmail' else 'microsoft'}/silence")
    for number in range(6):
        box.forward(MINUTE)
        ref = box.deliver()
        assert not box.heard(0.2)
        box.timetable(11 * MINUTE)
        assert ref in box.seen, "the timetable finds it"
        if box.told:
            assert number >= 2, "not on the first odd case"
            return


def test_subscriptions_of_graph_that_say_nothing_are_deleted_and_made_anew(graph: Watched) -> None:
    first = {each.resource: each.provider_id for each in graph.watches}
    before = metric("replylog_watch_lapses_total", provider="graph", why="silent")
    silent_for_some_letters(graph)
    after = {each.resource: each.provider_id for each in graph.watches}
    changed = {folder for folder in first if first[folder] != after[folder]}
    assert len(changed) == 1, "that of the Inbox; in Sent Items there was no news"
    assert metric("replylog_watch_lapses_total", provider="graph", why="silent") == before + 1
    assert sorted(each["id"] for each in graph.live) == sorted(after.values())
    (told,) = graph.told
    assert "was there but brought nothing" in told
    graph.forward(MINUTE)
    graph.deliver()
    assert graph.heard()


def test_a_watch_of_gmail_that_says_nothing_is_stopped_and_asked_for_anew(gmail: Watched) -> None:
    assert gmail.heard(), "that of the watch itself"
    silent_for_some_letters(gmail)
    (told,) = gmail.told
    assert "was there but brought nothing" in told
    assert gmail.heard(), "a new watch announces itself"
    gmail.forward(MINUTE)
    gmail.deliver()
    assert gmail.heard()

"""Inbox rules that change, and their folders: what is followed within ten minutes, and what is told."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm.database import Database
from crm.store import mailboxes
from tests.sandbox_process import Sandbox
from tests.waiting import within
from tests.workers.watched import HOUR, MARIA, MINUTE, Watched, watched
from workers.watches import FOLDERS_EVERY


@pytest.fixture
def box(sqlite_url: str, redis: Any, secrets: Any, sandbox: Sandbox) -> Iterator[Watched]:
    """A mailbox with a folder "Customers" that a rule fills with mail from globex."""
    database = Database(sqlite_url)
    with watched("graph", database, redis, secrets, sandbox) as made:
        rule(made)
        made.forward(FOLDERS_EVERY)
        made.sync()
        yield made
    database.close()


def rule(box: Watched, folder: str = "Customers", name: str = "From globex", **more: Any) -> None:
    box.control("rule", name=name, from_contains="globex", target_folder=folder, **more)


def followed(box: Watched) -> set[str]:
    with box.office.database.read() as conn:
        found = mailboxes.folders(conn, box.office.account_id, box.box)
    return {each.name for each in found if each.reason in {"rule", "hand"}}


FOLLOWED = "“Customers” is followed from now on, because your rule “From globex” puts mail there."


def test_a_rule_that_is_added_is_followed_within_ten_minutes_and_told(box: Watched) -> None:
    assert followed(box) == {"Customers"}
    assert box.told == [FOLLOWED]
    assert len(box.live) == len(box.watches) == 3
    box.deliver()
    assert box.heard(), "its folder is announced"


@pytest.mark.parametrize("hides", [True, False], ids=["a filter hides", "a filter shows"])
def test_what_a_rule_moved_before_anybody_knew_of_it_is_found(
    hides: bool, sqlite_url: str, redis: Any, secrets: Any, sandbox: Sandbox
) -> None:
    database = Database(sqlite_url)
    with watched("graph", database, redis, secrets, sandbox) as box:
        sandbox.post("/control/switches", **{"graph.delta_filter_hides_moved": hides})
        box.forward(HOUR)
        box.sync()
        rule(box)
        box.forward(2 * MINUTE)
        moved = box.deliver()
        assert followed(box) == set()
        assert not box.heard(0.2), "its folder is not announced"
        box.forward(MINUTE)
        other = box.deliver(sender="joe@initech.test")
        assert box.heard()
        box.sync()  # a complete run, which knows nothing of the folder
        assert box.seen == {other}
        box.forward(FOLDERS_EVERY)
        box.sync()
        assert moved in box.seen
    database.close()


# What somebody does to rules and folders; what is followed then; and what is told of it.
Act = Callable[[Watched], object]
CHANGES: dict[str, tuple[Act, set[str], list[str]]] = {
    "a rule that is turned off": (
        lambda box: rule(box, enabled=False),
        set(),
        ["“Customers” is not followed any more: the rule “From globex” was turned off."],
    ),
    "a rule that is deleted": (
        lambda box: box.control("microsoft/delete-rule", name="From globex"),
        set(),
        ["“Customers” is not followed any more: there is no rule “From globex” any more."],
    ),
    "a rule that moves mail elsewhere": (
        lambda box: rule(box, "Clients"),
        {"Clients"},
        [
            "“Customers” is not followed any more: the rule “From globex” does not put mail there any more.",
            "“Clients” is followed from now on, because your rule “From globex” puts mail there.",
        ],
    ),
    "a rule that copies instead": (lambda box: rule(box, copy=True), {"Customers"}, []),
    "a second rule that copies": (
        lambda box: rule(box, "Copies", "Copy", copy=True),
        {"Customers", "Copies"},
        ["“Copies” is followed from now on, because your rule “Copy” puts mail there."],
    ),
    "a second rule into the same folder": (
        lambda box: rule(box, name="Another"),
        {"Customers"},
        [],
    ),
    "a rule that becomes read-only": (
        lambda box: box.control(
            "microsoft/read-only-rule", name="From globex", from_contains="x", target_folder="Customers"
        ),
        set(),
        [
            "“Customers” is not followed any more: Microsoft does not show any more what the rule “From globex” does.",
            "Microsoft does not show what your rule “From globex” does. If it puts mail into a folder, ask an admin to name that folder in Settings, so that it is followed.",
        ],
    ),
    "a rule into Junk Email": (
        lambda box: rule(box, "junk"),
        set(),
        [
            "“Customers” is not followed any more: the rule “From globex” does not put mail there any more."
        ],
    ),
    "a folder that is renamed": (
        lambda box: box.control("microsoft/rename-folder", name="Customers", to="Kunden"),
        {"Kunden"},
        ["“Customers” is called “Kunden” now. It is still followed."],
    ),
    "a folder that is moved": (
        lambda box: (
            box.control("rule", name="o", from_contains="o", target_folder="Old", enabled=False),
            box.control("microsoft/move-folder", name="Customers", to="Old"),
        ),
        {"Customers"},
        [],
    ),
    "a folder that is moved into Junk Email": (
        lambda box: box.control("microsoft/move-folder", name="Customers", to="junk"),
        set(),
        ["“Customers” is not followed any more: the folder lies in Junk Email."],
    ),
    "a folder that is deleted": (
        lambda box: box.control("microsoft/delete-folder", name="Customers"),
        set(),
        ["“Customers” is not followed any more: the folder was deleted."],
    ),
    "a folder that is deleted for ever": (
        lambda box: [box.control("microsoft/delete-folder", name="Customers") for _ in "12"],
        set(),
        ["“Customers” is not followed any more: the folder was deleted."],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("act", "there", "told"), CHANGES.values(), ids=CHANGES)
def test_within_ten_minutes_this_is_noticed(
    act: Act, there: set[str], told: list[str], box: Watched
) -> None:
    act(box)
    box.forward(FOLDERS_EVERY)
    box.sync()
    assert followed(box) == there
    assert [
        line for line in box.told[1:] if "no longer knew" not in line and "listed" not in line
    ] == told
    assert len(box.live) == len(box.watches) == 2 + len(there)
    box.heard(0.05)
    box.forward(MINUTE)
    ref = box.deliver(sender="joe@initech.test")
    assert box.heard(), "other mail is announced as before"
    box.sync()
    assert ref in box.seen


def test_a_rule_that_names_folders_by_the_ids_that_folders_have_is_followed_as_well(
    box: Watched,
) -> None:
    box.sandbox.post("/control/switches", **{"graph.rule_folder_alias": False})
    rule(box)
    box.timetable(FOLDERS_EVERY + MINUTE)
    assert (followed(box), box.told) == ({"Customers"}, [FOLLOWED])


def test_a_rule_that_is_turned_on_again_is_followed_again_with_what_came_just_before(
    box: Watched,
) -> None:
    rule(box, enabled=False)
    box.forward(HOUR)
    box.sync()
    rule(box)
    box.forward(MINUTE)
    ref = box.deliver()
    box.forward(FOLDERS_EVERY)
    box.sync()
    assert followed(box) == {"Customers"}
    assert ref in box.seen
    assert box.told[2] == FOLLOWED


def test_a_rule_that_cannot_be_read_is_told_once(box: Watched) -> None:
    box.control("microsoft/read-only-rule", name="Odd", from_contains="x", target_folder="Secret")
    for _ in range(3):
        box.forward(FOLDERS_EVERY)
        box.sync()
    assert len([line for line in box.told if "“Odd”" in line]) == 1
    assert box.row.hidden_rules == ("Odd",), "its card names it"
    box.control("microsoft/delete-rule", name="Odd")
    box.forward(FOLDERS_EVERY)
    box.sync()
    assert box.row.hidden_rules == ()


def test_a_huge_folder_is_followed_without_being_listed(box: Watched) -> None:
    box.control("microsoft/fill", folder="Archive 2019", count=100_001)
    rule(box, "Archive 2019", "All of it")
    box.control("microsoft/delete-rule", name="From globex")
    box.sandbox.post("/control/counts/reset")
    box.timetable(FOLDERS_EVERY + MINUTE)
    assert followed(box) == {"Archive 2019"}
    spent = box.counts()
    assert spent["graph.delta"] <= 5 * 4, "a page for each folder and run"
    assert spent.get("graph.messages.list", 0) == 0
    assert len(box.seen) == 0
    box.forward(MINUTE)
    ref = box.deliver()
    assert box.heard()
    box.sync()
    assert box.seen == {ref}


# ---- at once


def test_mail_that_a_new_rule_takes_away_before_it_is_listed_has_the_rules_read_at_once(
    box: Watched,
) -> None:
    box.control("microsoft/switch", name="graph.rule_inbox_first", value=0.05)
    rule(box, "Clients")
    box.forward(MINUTE)
    ref = box.deliver()
    assert box.heard(), "it lay in the Inbox for a moment"
    assert within(1, lambda: box.lies_in("Clients", ref))
    box.sync()  # and finds nothing there
    assert box.heard()
    box.sync()
    assert followed(box) == {"Clients"}
    assert ref in box.seen


def test_empty_pushes_do_not_have_the_rules_read_each_time(box: Watched) -> None:
    box.sandbox.post("/control/counts/reset")
    for _ in range(5):
        box.forward(MINUTE)
        box.office.queue.wake(box.box)
        assert box.heard()
        box.sync()
    box.heard(0.1)
    box.sync()
    assert box.counts()["graph.rules.list"] <= 2


def test_a_person_has_the_rules_read_at_once(box: Watched) -> None:
    rule(box, "Clients")
    box.forward(timedelta(seconds=10))
    box.office.queue.rewatch(box.box)
    assert box.heard()
    box.sync()
    assert followed(box) == {"Clients"}


def test_mail_of_a_followed_folder_is_read_from_there(box: Watched) -> None:
    box.forward(MINUTE)
    ref = box.deliver(sender=MARIA)
    assert box.heard()
    box.sync()
    assert box.office.rules(box.box)[ref] != "folder"

"""What can be done about a refused message, the most useful first. Pure."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

from crm.journal_model import PROVIDERS, About, Action, Do
from crm.model import MailboxStatus
from crm.store.mailbox_rows import Mailbox

_MOST_PEOPLE = 3
_GMAIL_ID = re.compile(r"[0-9a-f]{6,20}")
_GMAIL_BOXES = {"junk": "spam", "trash": "trash"}

AGAIN = Action(Do.AGAIN, "Try again now", hint="It is read again within seconds.")
LOOK_AGAIN = Action(Do.AGAIN, "Look at it again")
GIVE_UP = Action(Do.GIVE_UP, "Give up", hint="It stays in your mailbox and is not logged.")
FORWARD = Action(Do.FORWARD, "Forward it")
TICK = Action(Do.TICK, "How to tick Log")
ADD_CONTACT = Action(Do.ADD_CONTACT, "Add contact and log")

ALLOWS = {  # what turning a switch over brings, to somebody who may do that
    "skip_automatic": "Automatic replies, delivery reports, calendar messages and lists are then "
    "logged for everybody in your company.",
    "log_internal": "Mail among your own people is then treated like any other.",
    "log_all_known": "Every e-mail from or to a contact is then logged, ticked or not.",
    "any_connected_user": "Answers are then logged from the mailbox of any colleague.",
    "subject_changes_allowed": "Answers are then logged under any subject.",
    "log_unknown_sender": "Answers of strangers in a logged thread are then logged to the thread's "
    "contacts.",
    "log_own_replies": "What your people answer in a logged thread is then logged unticked.",
}


def actions(about: About) -> tuple[Action, ...]:
    """What the reader can do about a refused message. While its mailbox is not connected that comes
    first and alone: nothing can be read again before."""
    if about.mailbox.status is not MailboxStatus.CONNECTED:
        return (reconnect(about.mailbox),)
    found = [*_BY_RULE.get(about.entry.rule, _given_up)(about)]
    if about.is_admin:
        found += [
            Action(Do.ALLOW, "Allow this", name, ALLOWS[name])
            for name in about.entry.turned_by
            if name in ALLOWS
        ]
    return tuple(found)


def reconnect(mailbox: Mailbox) -> Action:
    """Connect a mailbox again."""
    return Action(Do.RECONNECT, "Reconnect", str(mailbox.id))


def _forward(_: About) -> Iterator[Action]:
    yield FORWARD


def _stranger(about: About) -> Iterator[Action]:
    if about.sender is not None:
        yield LOOK_AGAIN
        return
    if about.entry.sender:
        yield ADD_CONTACT
    for each in (about.thread.contacts if about.thread else ())[:_MOST_PEOPLE]:
        hint = f"{about.entry.sender} becomes one more address of {each.name}."
        yield Action(Do.SAME_PERSON, f"Same person as {each.name}", str(each.id), hint)


def _new_mail(about: About) -> Iterator[Action]:
    if about.settings.switches.log_all_known and about.entry.sender and about.sender is None:
        yield ADD_CONTACT
    yield FORWARD


def _listed(about: About) -> Iterator[Action]:
    for each in about.listed:
        if each.own or about.is_admin:
            whose = "your list" if each.own else "the company's list"
            hint = f"Mail of {each.entry} is then treated like any other."
            yield Action(Do.NEVER_LOG, f"Take {each.entry} off {whose}", str(each.id), hint)
    if not about.listed:
        yield LOOK_AGAIN


def _lies_elsewhere(about: About) -> Iterator[Action]:
    found = in_gmail(about.mailbox, about.entry.provider_id, about.entry.rule)
    if found:
        yield Action(Do.OPEN, f"Open in {PROVIDERS['gmail']}", found)


def in_gmail(mailbox: Mailbox, provider_id: str, rule: str = "") -> str:
    """The address of a message on Gmail's own pages, '' where there is none that surely works."""
    if mailbox.provider != "gmail" or not _GMAIL_ID.fullmatch(provider_id):
        return ""
    box = _GMAIL_BOXES.get(rule, "all")
    return f"https://mail.google.com/mail/?authuser={quote(mailbox.address)}#{box}/{provider_id}"


def _ticked(_: About) -> Iterator[Action]:
    yield TICK


def _settled_elsewhere(_: About) -> Iterator[Action]:
    """Somebody puts it right in Settings; the message can then be looked at again."""
    yield LOOK_AGAIN


def _nothing(_: About) -> Iterator[Action]:
    yield from ()


def _given_up(_: About) -> Iterator[Action]:
    yield AGAIN
    yield FORWARD


_BY_RULE: dict[str, Callable[[About], Iterator[Action]]] = {
    "draft": _nothing,
    "junk": _lies_elsewhere,
    "trash": _lies_elsewhere,
    "folder": _lies_elsewhere,
    "not-ticked": _ticked,
    "unknown-sender": _stranger,
    "not-a-reply": _new_mail,
    "unknown-thread": _new_mail,
    "never-log": _listed,
    **dict.fromkeys(("internal", "not-authentic", "denied"), _settled_elsewhere),
    **dict.fromkeys(
        (
            "disconnected",
            "automatic",
            "team-thread",
            "not-owner",
            "subject-changed",
            "forward-unreadable",
        ),
        _forward,
    ),
}

"""What happened to a mailbox, in words for the people who own it: its History page. Pure.

A happening is noted with facts that name no mail: numbers, times (ISO), causes, names of folders.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

Facts: TypeAlias = Mapping[str, Any]


class What(StrEnum):
    """The kinds of happenings, each with its sentence in `_SENTENCES`."""

    CONNECTED = "connected"
    RECONNECTED = "reconnected"  # gap_seconds, new_account, by_itself; see `old_place`
    DISCONNECTED = "disconnected"
    STOPPED = "stopped"  # cause
    GAP_READ = "gap-read"  # found, logged
    GAP_LEFT = "gap-left"
    CURSOR_EXPIRED = "cursor-expired"  # since, folders; the listing that repairs it begins
    CURSOR_REPAIRED = "cursor-repaired"  # since, found, logged
    LIMITED = "limited"  # reason: the limit's shape
    LIMIT_OVER = "limit-over"  # seconds
    SETUP_FAULT = "setup-fault"  # cause
    SETUP_MENDED = "setup-mended"  # seconds
    SET_ASIDE = "set-aside"  # file, before; reading it ended the process three times, or again
    GIVEN_UP = "given-up"  # messages
    MOVE_SUSPECTED = "move-suspected"  # provider
    MOVED = "moved"  # provider
    MOVED_BACK = "moved-back"  # provider
    MOVE_DENIED = "move-denied"  # by its owner; provider
    AUDITED = "audited"  # days, looked, missed, logged
    WATCH_REMADE = "watch-remade"  # why (workers.lapses), seconds without it, watches
    WATCH_REFUSED = "watch-refused"  # cause
    FOLDER_FOLLOWED = "folder-followed"  # folder, reason (rule, hand), rule
    FOLDER_DROPPED = "folder-dropped"  # folder, why (crm.model.Dropped), rule
    FOLDER_RENAMED = "folder-renamed"  # folder, before
    RULE_HIDDEN = "rule-hidden"  # rule


def sentence(what: str, facts: Facts) -> str:
    """One plain sentence about a happening; the bare kind for one that this version does not know."""
    known = _SENTENCES.get(what)
    return known(facts) if known else what.replace("-", " ").capitalize() + "."


def span(seconds: float) -> str:
    """How long in words: "40 seconds", "3 hours", "2 days"."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(int(seconds // size), name)
    return counted(int(seconds), "second")


def counted(number: int, name: str) -> str:
    """ "1 message", "3 messages"."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _reconnected(facts: Facts) -> str:
    gap = facts.get("gap_seconds")
    away = f" after {span(gap)}" if gap else ""
    anew = " The account at this address is a new one." if facts.get("new_account") else ""
    if facts.get("by_itself"):
        return f"The provider lets us in again{away}: the mailbox goes on by itself."
    if facts.get("left"):
        before = f" Mail may have gone there for {span(gap)} before." if gap else ""
        return f"The mailbox was connected with {_at(facts)}.{before} {old_place(facts)}"
    return f"The mailbox was connected again{away}.{anew}"


def old_place(facts: Facts) -> str:
    """What is not seen since a mailbox was connected with another provider: what arrives at the one
    that it `left` later than it was `read_to`, and how much was `unread`. Else ""."""
    if not facts.get("left"):
        return ""
    place = PROVIDER_NAMES.get(facts["left"], "the provider before")
    read_to = facts["read_to"][:16].replace("T", " ")
    upto = f"was read up to {read_to} UTC" if read_to else "was never read"
    told = f"At {place} it {upto}; what arrives there later is not seen."
    number = facts["unread"]
    were = "was" if number == 1 else "were"
    rest = f" {counted(number, 'message')} that waited there {were} never read." if number else ""
    return told + rest


def _stopped(facts: Facts) -> str:
    """With the cause's own sentence where the page knows it: its words are the providers'."""
    said = facts.get("sentence")
    return f"The mailbox stopped until it is connected again. {said}" if said else "It stopped."


def _gap_read(facts: Facts) -> str:
    return (
        f"What arrived while the mailbox was not connected was read: "
        f"{counted(facts['found'], 'message')} looked at, {facts['logged']} logged."
    )


def _setup_fault(facts: Facts) -> str:
    """With the cause's own sentence where the page knows it, as `_stopped`."""
    said = facts.get("sentence") or ""
    return f"Reading stopped over a fault in the set-up of this installation. {said}".strip()


def _expired(facts: Facts) -> str:
    folders = facts.get("folders")
    where = f" in {counted(folders, 'folder')}" if folders else ""
    return (
        f"The provider no longer knew where we had stopped reading{where}. "
        f"What came since {facts['since'][:16].replace('T', ' ')} UTC is listed."
    )


def _repaired(facts: Facts) -> str:
    found, new = facts["found"], facts.get("logged")
    brought = "" if new is None else f" Newly logged: {new}."
    return (
        f"All that came since then was listed: {counted(found, 'message')}.{brought} "
        "Nothing is missing."
    )


PROVIDER_NAMES = {"gmail": "Google", "graph": "Microsoft 365"}


def _at(facts: Facts) -> str:
    return PROVIDER_NAMES.get(facts["provider"], "another provider")


def _audited(facts: Facts) -> str:
    days, looked = counted(facts["days"], "day"), counted(facts["looked"], "message")
    began = f"The last {days} of the mailbox were compared with the journal: {looked}"
    if not facts["missed"]:
        return f"{began}, none was missing."
    were = "was" if facts["missed"] == 1 else "were"
    return (
        f"{began}, {facts['missed']} {were} missing from it and judged now, "
        f"{facts['logged']} of them logged."
    )


_WATCH_ENDED = {
    "expired": "had run out",
    "removed": "had been ended by the provider",
    "paused": "waited to be allowed anew",
    "silent": "was there but brought nothing",
    "refused": "was refused by the provider",
}


def _remade(facts: Facts) -> str:
    how = _WATCH_ENDED.get(facts["why"], "was missing")
    most = {"removed": "up to ", "silent": "at least "}.get(facts["why"], "")
    return (
        f"New mail had not been announced to us for {most}{span(facts['seconds'])}, because the "
        f"subscription for it {how}. It was made anew. Mail was looked for all the same."
    )


def _refused(facts: Facts) -> str:
    why = facts.get("sentence", "")
    return f"{why} New mail is looked for every ten minutes until it is announced again.".strip()


def _followed(facts: Facts) -> str:
    why = (
        f"your rule “{facts['rule']}” puts mail there"
        if facts["reason"] == "rule"
        else "your company follows folders of this name"
    )
    return f"“{facts['folder']}” is followed from now on, because {why}."


_DROPPED = {
    "rule-off": "the rule “{rule}” was turned off",
    "rule-gone": "there is no rule “{rule}” any more",
    "rule-changed": "the rule “{rule}” does not put mail there any more",
    "rule-hidden": "Microsoft does not show any more what the rule “{rule}” does",
    "folder-gone": "the folder was deleted",
    "folder-junk": "the folder lies in Junk Email",
    "setting": "no setting of your company names it any more",
}


def _dropped(facts: Facts) -> str:
    why = _DROPPED.get(facts["why"])
    # Names are put in last: one may have braces in it.
    because = f": {why.replace('{rule}', facts['rule'])}" if why else ""
    return f"“{facts['folder']}” is not followed any more{because}."


def _hidden(facts: Facts) -> str:
    return (
        f"Microsoft does not show what your rule “{facts['rule']}” does. If it puts mail into a "
        "folder, ask an admin to name that folder in Settings, so that it is followed."
    )


def _set_aside(facts: Facts) -> str:
    if facts.get("file"):
        return "A file made replylog stop three times. It is left alone."
    if facts.get("before"):
        return "The message made replylog stop once more. It is left alone until somebody has it tried again."
    return "A message made replylog stop three times. It is set aside, and tried once more a little later."


_WHOSE = {
    "project": ", all mailboxes of this installation",
    "concurrency": ": too much was asked at the same time",
}


_SENTENCES: dict[str, Callable[[Facts], str]] = {
    What.CONNECTED: lambda _: "The mailbox was connected.",
    What.RECONNECTED: _reconnected,
    What.STOPPED: _stopped,
    What.GAP_READ: _gap_read,
    What.GAP_LEFT: lambda _: "What arrived while the mailbox was not connected was left unread.",
    What.DISCONNECTED: lambda _: "The mailbox was disconnected. What was logged stays.",
    What.CURSOR_EXPIRED: _expired,
    What.CURSOR_REPAIRED: _repaired,
    What.LIMITED: lambda facts: (
        f"The provider asked us to slow down{_WHOSE.get(facts['reason'], '')}. "
        "What arrives meanwhile is read afterwards."
    ),
    What.LIMIT_OVER: lambda facts: (
        f"The provider does not ask us to slow down any more, after {span(facts['seconds'])}."
    ),
    What.SETUP_FAULT: _setup_fault,
    What.SETUP_MENDED: lambda facts: (
        f"The fault in the set-up of this installation is over, after {span(facts['seconds'])}."
    ),
    What.SET_ASIDE: _set_aside,
    What.GIVEN_UP: lambda facts: (
        f"{counted(facts['messages'], 'message')} could not be read after many tries. "
        "A person must say whether to try again."
    ),
    What.MOVE_SUSPECTED: lambda facts: (
        f"The domain's mail servers are {_at(facts)}'s now. If they stay so for some hours, the "
        "domain has moved there."
    ),
    What.MOVED: lambda facts: (
        f"The domain's mail has moved to {_at(facts)}. The mailbox is still read where it was; "
        f"reconnect it with {_at(facts)} so that no reply there is missed."
    ),
    What.MOVED_BACK: lambda facts: (
        f"The domain's mail servers are {_at(facts)}'s again: nothing need be reconnected."
    ),
    What.MOVE_DENIED: lambda facts: (
        f"Its owner said that the mailbox is still at {_at(facts)}, whatever the domain's mail "
        "servers are."
    ),
    What.AUDITED: _audited,
    What.WATCH_REMADE: _remade,
    What.WATCH_REFUSED: _refused,
    What.FOLDER_FOLLOWED: _followed,
    What.FOLDER_DROPPED: _dropped,
    What.FOLDER_RENAMED: lambda facts: (
        f"“{facts['before']}” is called “{facts['folder']}” now. It is still followed."
    ),
    What.RULE_HIDDEN: _hidden,
}

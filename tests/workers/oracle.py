"""What must stand on timelines when all messages are there: a plain function that sees them at once.

It decides with `crm.rules.decide` and knows of threads what ARCHITECTURE.md says: an e-mail belongs to
the thread of the nearest logged e-mail that it refers to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from crm.identity import same_message
from crm.model import (
    Context,
    Headers,
    MailboxKind,
    NeverLog,
    Period,
    Place,
    Root,
    Switches,
    Verdict,
)
from crm.rules.decide import decide
from crm.rules.facts import visible_recipients
from crm.subjects import base_subject

ALWAYS = (Period(datetime(2000, 1, 1, tzinfo=UTC)),)
TICKS = ("sent-bcc", "sent-label")
UNSEEN = (Place.JUNK, Place.TRASH, Place.DRAFT, Place.ELSEWHERE)


@dataclass(frozen=True)
class Copy:
    """A message as it lies in a mailbox in the end. `turn`: a message refers to those of earlier
    turns only."""

    box: str
    user: int
    turn: int
    headers: Headers


@dataclass(frozen=True)
class World:
    """What the rules ask beside the messages. `contacts` are all addresses by contact."""

    own: dict[str, frozenset[str]]  # addresses of a mailbox
    domains: frozenset[str]
    contacts: dict[str, int]
    switches: Switches
    bcc: str
    never_log: dict[int | None, frozenset[str]]  # by user; None: the account's


@dataclass(frozen=True)
class Entry:
    """A logged e-mail."""

    message_id: str
    root: tuple[str, ...]  # the copies of the root of its thread
    owner: int
    outgoing: bool
    rule: str
    on: frozenset[
        str
    ]  # addresses of its people that belong to the contacts whose timelines it is on
    copies: tuple[str, ...]


@dataclass
class _Group:
    """The copies of one message."""

    copies: list[Copy]
    letting: list[tuple[Copy, Verdict]] = field(default_factory=list)
    root: "_Group | None" = None

    @property
    def best(self) -> tuple[Copy, Verdict]:
        return min(self.letting, key=lambda each: _rank(each[0]))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(each.headers.ref.id for each in self.copies))


def _rank(copy: Copy) -> tuple[bool, datetime, str, str]:
    headers = copy.headers
    return headers.place is not Place.SENT, headers.received_at, copy.box, headers.ref.id


def oracle(world: World, copies: Sequence[Copy]) -> tuple[list[Entry], dict[str, str]]:
    """The entries, and of every copy the rule that refused it, or `logged`."""
    contacts = dict(world.contacts)
    while True:
        groups, rules = _judge(world, contacts, copies)
        new = {
            one.address
            for group in groups
            for _, verdict in group.letting
            for one in verdict.create
        } - contacts.keys()
        if not new:
            break
        contacts |= {address: -n for n, address in enumerate(sorted(new), len(contacts))}
    entries = [_entry(group, contacts) for group in groups if group.letting]
    return sorted(entries, key=lambda each: each.copies), rules


def _judge(
    world: World, contacts: dict[str, int], copies: Sequence[Copy]
) -> tuple[list[_Group], dict[str, str]]:
    rules = {}
    seen = [copy for copy in copies if copy.headers.place not in UNSEEN]
    groups = _grouped(seen)
    for copy in copies:
        if copy.headers.place in UNSEEN:
            rules[copy.headers.ref.id] = decide(copy.headers, _bare(world, copy)).rule
    for group in groups:
        refused = {}
        for copy in group.copies:
            verdict = decide(copy.headers, _context(world, contacts, copy, groups))
            if verdict.logged:
                group.letting.append((copy, verdict))
            refused[copy.headers.ref.id] = verdict.rule
        rules |= dict.fromkeys(refused, "logged") if group.letting else refused
        if group.letting:
            parent = _nearest(group.best[0].headers, groups)
            group.root = parent.root if parent else group
    return groups, rules


def _grouped(copies: Sequence[Copy]) -> list[_Group]:
    """Copies that are the same message, or the same as a third; earlier turns first."""
    groups: list[_Group] = []
    for copy in copies:
        headers = copy.headers
        same = [
            group
            for group in groups
            if any(
                each.headers.message_id == headers.message_id
                and same_message(headers, each.headers.sender.address, each.headers.sent_at)
                for each in group.copies
            )
        ]
        groups = [group for group in groups if group not in same]
        groups.append(_Group([copy, *(each for group in same for each in group.copies)]))
    return sorted(groups, key=lambda group: min(copy.turn for copy in group.copies))


def _bearers(message_id: str, groups: Sequence[_Group]) -> list[_Group]:
    """The logged e-mails with a Message-ID: one of ours first, then the one that arrived first."""
    found = [g for g in groups if g.root and g.copies[0].headers.message_id == message_id]
    return sorted(found, key=lambda group: _rank(group.best[0])[:2])


def _nearest(headers: Headers, groups: Sequence[_Group]) -> _Group | None:
    others = (each for each in headers.answers if each != headers.message_id)
    return next((group for each in others for group in _bearers(each, groups)), None)


def _bare(world: World, copy: Copy) -> Context:
    return Context(
        user_id=copy.user,
        mailbox_kind=MailboxKind.PERSONAL,
        own_addresses=world.own[copy.box],
        connected=ALWAYS,
        account_domains=world.domains,
        switches=world.switches,
        bcc_address=world.bcc,
        never_log=NeverLog(world.never_log[None] | world.never_log[copy.user]),
    )


def _context(
    world: World, contacts: dict[str, int], copy: Copy, groups: Sequence[_Group]
) -> Context:
    parent = _nearest(copy.headers, groups)
    roots = {}
    if parent and parent.root:
        root = parent.root.best[0]
        to = {one.address for one in visible_recipients(root.headers)} & contacts.keys()
        subject = base_subject(root.headers.subject)
        found = Root(1, root.user, False, subject, frozenset(to))
        roots = dict.fromkeys(copy.headers.answers, found)
    known = replace(_bare(world, copy), contacts=contacts, roots=roots)
    return replace(known, answered=_answered(world, contacts, copy, groups))


def _answered(
    world: World, contacts: dict[str, int], copy: Copy, groups: Sequence[_Group]
) -> dict[str, frozenset[str]]:
    """The subjects under which ticked e-mails of the user answer this message directly. Whether they
    are logged depends on no thread."""
    name = copy.headers.message_id
    subjects = {
        base_subject(each.headers.subject)
        for group in groups
        for each in group.copies
        if each.user == copy.user
        and each.headers.place is Place.SENT
        and each.headers.answers[:1] == (name,)
        and decide(each.headers, replace(_bare(world, each), contacts=contacts)).rule in TICKS
    }
    return {name: frozenset(subjects)} if subjects else {}


def _entry(group: _Group, contacts: dict[str, int]) -> Entry:
    best, verdict = group.best
    assert group.root is not None
    on = {contacts[address] for _, each in group.letting for address in each.contacts}
    return Entry(
        best.headers.message_id,
        group.root.names,
        group.root.best[0].user,
        best.headers.place is Place.SENT,
        "sent" if verdict.rule.startswith("sent-") else verdict.rule,
        frozenset(address for address, contact in contacts.items() if contact in on),
        group.names,
    )

"""Whole timelines, compared: what stands there against what an oracle says that sees all mail at once.

The oracle reads the mailboxes of the pretend world as they lie there in the end, and knows nothing of
what the run sent or expected. Compared are, for each contact, all entries in their order: when, which
message, direction, kind, owner, root of its thread; and the same folded by threads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import select

from crm.kinds import kind_of
from crm.messages import parse
from crm.model import Message, Place, Ref
from crm.store import timeline
from crm.store.settings import settings_of
from crm.store.timeline import On
from crm.store.visibility import Viewer
from crm.tables import ContactAddress, Email, Thread
from tests.faults.letters import Letters
from tests.faults.office import BCC, DOMAINS, Office
from tests.workers.oracle import Copy, Entry, World, oracle

PLACES = {
    "sent": Place.SENT,
    "junk": Place.JUNK,
    "trash": Place.TRASH,
    "drafts": Place.DRAFT,
}  # all else is followed: the folders of a run have inbox rules


@dataclass(frozen=True, order=True)
class Line:
    """One entry of a contact's timeline."""

    sent_at: datetime
    message_id: str
    direction: str
    kind: str
    owner_id: int
    root: str


Lines: TypeAlias = dict[int, list[Line]]  # by contact, newest first


def differences(office: Office, letters: Letters) -> list[str]:
    """What is not as the oracle says, in words; nothing where all is."""
    must, found = _expected(office, letters), dict(_standing(office))
    return [
        problem
        for contact in sorted(must.keys() | found.keys())
        for problem in _compared(contact, must.get(contact, []), found.get(contact, []))
    ]


def _compared(contact: int, must: Sequence[Line], found: Sequence[Line]) -> Iterator[str]:
    """Two e-mails of one second may stand in either order."""
    for line in set(must) - set(found):
        yield f"contact {contact}: {line} is not on the timeline"
    for line in set(found) - set(must):
        yield f"contact {contact}: {line} should not be on the timeline"
    if len(found) != len(set(found)):
        yield f"contact {contact}: an entry stands there twice"
    times = [line.sent_at for line in found]
    if times != sorted(times, reverse=True):
        yield f"contact {contact}: not newest first"


# what must stand there


def _expected(office: Office, letters: Letters) -> Lines:
    contacts = _contacts(office)
    messages = {copy: message for copy, message in _mail(office)}  # noqa: C416 - as pairs to mypy
    turns = {each.key: n for n, each in enumerate(letters.expected)}
    first: dict[str, int] = {}  # copies of one message have one turn
    for key in sorted(messages, key=lambda each: turns[each]):
        first.setdefault(messages[key].headers.message_id, turns[key])
    users = office.users
    copies = [
        Copy(box, users[box], first[message.headers.message_id], message.headers)
        for (box, _), message in messages.items()
    ]
    entries, _ = oracle(_world(office, contacts), copies)
    by_name = {message.headers.ref.id: message for message in messages.values()}
    lines: Lines = {}
    for entry in entries:
        for contact in {contacts[address] for address in entry.on}:
            lines.setdefault(contact, []).append(_line(entry, by_name))
    return lines


def _line(entry: Entry, messages: dict[str, Message]) -> Line:
    message = messages[entry.copies[0]]
    assert message.headers.sent_at is not None
    return Line(
        message.headers.sent_at,
        entry.message_id,
        "outgoing" if entry.outgoing else "incoming",
        kind_of(message).value,
        entry.owner,
        messages[entry.root[0]].headers.message_id,
    )


def _world(office: Office, contacts: dict[str, int]) -> World:
    with office.database.read() as conn:
        switches = settings_of(conn, office.account_id).switches
    return World(
        own={address: frozenset({address}) for address in office.mailboxes},
        domains=frozenset(DOMAINS.values()),
        contacts=contacts,
        switches=switches,
        bcc=BCC,
        never_log={None: frozenset(), **dict.fromkeys(office.users.values(), frozenset())},
    )


def _contacts(office: Office) -> dict[str, int]:
    query = select(ContactAddress.address, ContactAddress.contact_id).where(
        ContactAddress.account_id == office.account_id
    )
    with office.database.read() as conn:
        return {address: contact for address, contact in conn.execute(query)}  # noqa: C416


def _mail(office: Office) -> Iterator[tuple[tuple[str, str], Message]]:
    """All messages of the world's mailboxes, as they lie there; their ids tell the mailbox, too."""
    for address in office.mailboxes:
        for item in office.world.get("mailbox", address=address)["messages"]:
            raw = office.world.raw(address, item["id"])
            place = PLACES.get(item["folder"], Place.FOLLOWED)
            received = datetime.fromisoformat(item["received_at"])
            ref = Ref(f"{address}/{item['id']}")
            yield (address, item["id"]), parse(raw, ref, place, received, item["labels"])


# what stands there


def _standing(office: Office) -> Iterator[tuple[int, list[Line]]]:
    viewer = Viewer(office.account_id, sees_all=True)
    with office.database.read() as conn:
        emails = select(Email.identity, Email.message_id).where(
            Email.account_id == office.account_id
        )
        threads = select(Thread.id, Thread.root_identity).where(
            Thread.account_id == office.account_id
        )
        names = {identity: name for identity, name in conn.execute(emails)}  # noqa: C416
        roots = {id: names[identity] for id, identity in conn.execute(threads)}
        for contact in set(_contacts(office).values()):
            rows = list(_paged(lambda after, c=contact: timeline.entries(
                conn, viewer, On.CONTACT, c, after)))  # fmt: skip
            folded = list(_paged(lambda after, c=contact: timeline.of_contact(
                conn, viewer, c, after)))  # fmt: skip
            assert {row.id for row in rows} == {e.id for t in folded for e in t.emails}
            assert sorted((t.newest_at for t in folded), reverse=True) == [
                t.newest_at for t in folded
            ], "threads are not newest first"
            yield contact, [_as_line(row, roots) for row in rows]


def _as_line(row: timeline.EmailRow, roots: dict[int, str]) -> Line:
    return Line(
        row.sent_at,
        row.message_id,
        row.direction,
        row.kind,
        row.owner_id or 0,
        roots[row.thread_id],
    )


def _paged(read: Any) -> Iterator[Any]:
    """All rows of a listing that comes in pages."""
    after = ""
    while True:
        page = read(after)
        yield from page.items
        if not page.next:
            return
        after = page.next

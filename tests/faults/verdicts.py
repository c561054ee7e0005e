"""What became of a run's mail, message by message: journal, timeline, pending rows, events."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from crm.columns import key
from crm.tables import Email, EmailContact, JournalRow, OutboxEvent, PendingMessage
from tests.faults.letters import Expected, Key
from tests.faults.office import Office


@dataclass(frozen=True, slots=True)
class Found:
    """How a run's mail stands. `lost`: no verdict at all, or none of the places that it must have;
    `wrong`: another verdict or rule than must be; `doubled`: entries, timeline places or events
    beyond one each, by Message-ID; `pending`: not decided yet."""

    expected: int
    logged: int
    refused: int
    lost: frozenset[Key]
    wrong: frozenset[Key]
    doubled: frozenset[str]
    pending: int
    examples: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        return not (self.lost or self.wrong or self.doubled or self.pending)

    def as_json(self) -> dict[str, Any]:
        """As figures."""
        return {
            "expected": self.expected,
            "logged": self.logged,
            "refused": self.refused,
            "duplicates": len(self.doubled),
            "lost": len(self.lost),
            "wrong": len(self.wrong),
            "pending": self.pending,
            "examples": list(self.examples),
        }


def look(office: Office, expected: Iterable[Expected]) -> Found:
    expected = list(expected)
    rows = journal(office)
    lost, wrong = set(), set()
    examples: list[str] = []
    counts: Counter[str] = Counter()
    for each in expected:
        verdict, rule = rows.pop(each.key, ("", ""))
        counts[verdict] += 1
        if not verdict:
            lost.add(each.key)
            examples.append(f"lost: {each.rule} in {each.mailbox}")
        elif not each.right(verdict, rule):
            wrong.add(each.key)
            examples.append(f"wrong: {each.rule} became {verdict} {rule} in {each.mailbox}")
    examples += [f"nobody sent {ref} in {box}" for box, ref in rows]
    doubled, missing, strange = _timeline(office, expected)
    examples += [f"twice: {each}" for each in doubled] + [f"not logged: {each}" for each in missing]
    lost |= {each.key for each in expected if key(each.message_id.strip("<>")) in missing}
    return Found(
        len(expected), counts["logged"], counts["refused"], frozenset(lost),
        frozenset(wrong | rows.keys()), frozenset(doubled | strange), _pending(office),
        tuple(examples[:20]),
    )  # fmt: skip


def journal(office: Office) -> dict[Key, tuple[str, str]]:
    """Verdict and rule of every copy."""
    query = select(
        JournalRow.mailbox_id, JournalRow.provider_id, JournalRow.verdict, JournalRow.rule
    ).where(JournalRow.account_id == office.account_id)
    addresses = {id: address for address, id in office.mailboxes.items()}
    with office.database.read() as conn:
        return {
            (addresses[box], ref): (verdict, rule)
            for box, ref, verdict, rule in conn.execute(query)
        }


def _timeline(office: Office, expected: Iterable[Expected]) -> tuple[set[str], set[str], set[str]]:
    """The Message-IDs with entries, places on timelines or events too many; with an entry or a place
    missing; with an entry that nobody expects."""
    must = {key(each.message_id.strip("<>")) for each in expected if each.verdict == "logged"}
    account = office.account_id
    names = select(Email.id, Email.message_id).where(Email.account_id == account)
    places = select(EmailContact.email_id, func.count()).where(EmailContact.account_id == account)
    told = select(OutboxEvent.payload).where(
        OutboxEvent.account_id == account, OutboxEvent.topic == "email.logged"
    )
    with office.database.read() as conn:
        emails = _pairs(conn.execute(names))
        on = _pairs(conn.execute(places.group_by(EmailContact.email_id)))
        events = Counter(payload["email_id"] for (payload,) in conn.execute(told))
    entries = Counter(emails.values())
    doubled = {name for name, number in entries.items() if number > 1}
    doubled |= {name for id, name in emails.items() if on.get(id, 0) > 1 or events[id] > 1}
    missing = must - entries.keys()
    missing |= {name for id, name in emails.items() if not on.get(id) or not events[id]}
    return doubled, missing, entries.keys() - must


def _pairs(rows: Iterable[Any]) -> dict[Any, Any]:
    return {one: other for one, other in rows}  # noqa: C416 - rows are no tuples to mypy


def _pending(office: Office) -> int:
    query = select(func.count()).where(PendingMessage.account_id == office.account_id)
    with office.database.read() as conn:
        return conn.scalar(query) or 0

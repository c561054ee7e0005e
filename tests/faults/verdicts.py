"""What became of a run's mail, message by message: journal, timeline, pending rows, events."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from crm.columns import key
from crm.tables import Email, EmailContact, JournalRow, OutboxEvent, PendingMessage
from tests.faults.letters import Expected
from tests.faults.office import Office


@dataclass(frozen=True, slots=True)
class Found:
    """How a run's mail stands. `lost`: no verdict at all; `wrong`: another verdict or rule than
    must be; `duplicates`: entries, timeline places or events beyond one each; `pending`: not
    decided yet."""

    expected: int
    logged: int
    refused: int
    lost: int
    wrong: int
    duplicates: int
    pending: int
    examples: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        return not (self.lost or self.wrong or self.duplicates or self.pending)


def look(office: Office, expected: Sequence[Expected]) -> Found:
    rows = _journal(office)
    by_address = office.mailboxes
    lost = wrong = 0
    examples: list[str] = []
    counts: Counter[str] = Counter()
    for each in expected:
        row = rows.pop((by_address[each.mailbox], each.provider_id), None)
        if row is None:
            lost += 1
            examples.append(f"lost: {each.rule} in {each.mailbox}")
            continue
        counts[row[0]] += 1
        if row[0] != each.verdict or row[1] not in {each.rule, each.or_rule} - {""}:
            wrong += 1
            examples.append(f"wrong: {each.rule} became {row[0]} {row[1]} in {each.mailbox}")
    wrong += len(rows)  # verdicts on messages that nobody sent
    duplicates, missing = _timeline(office, expected)
    return Found(
        len(expected), counts["logged"], counts["refused"], lost + missing, wrong, duplicates,
        _pending(office), tuple(examples[:8]),
    )  # fmt: skip


def _journal(office: Office) -> dict[tuple[int, str], tuple[str, str]]:
    query = select(
        JournalRow.mailbox_id, JournalRow.provider_id, JournalRow.verdict, JournalRow.rule
    ).where(JournalRow.account_id == office.account_id)
    with office.database.read() as conn:
        return {(box, ref): (verdict, rule) for box, ref, verdict, rule in conn.execute(query)}


def _timeline(office: Office, expected: Sequence[Expected]) -> tuple[int, int]:
    """How many entries, places on timelines and events are too many, and how many are missing."""
    must = {key(each.message_id.strip("<>")) for each in expected if each.verdict == "logged"}
    account = office.account_id
    names = select(Email.id, Email.message_id).where(Email.account_id == account)
    places = select(EmailContact.email_id, func.count()).where(EmailContact.account_id == account)
    with office.database.read() as conn:
        emails = _pairs(conn.execute(names))
        on = _pairs(conn.execute(places.group_by(EmailContact.email_id)))
        events = conn.scalar(
            select(func.count()).where(
                OutboxEvent.account_id == account, OutboxEvent.topic == "email.logged"
            )
        )
    entries = Counter(emails.values())
    doubled = sum(number - 1 for number in entries.values())
    strange = len(entries.keys() - must)
    doubled += sum(max(on.get(id, 0) - 1, 0) for id in emails)
    doubled += max((events or 0) - len(emails), 0)
    missing = len(must - entries.keys()) + sum(1 for id in emails if not on.get(id))
    return doubled + strange, missing


def _pairs(rows: Iterable[Any]) -> dict[Any, Any]:
    return {one: other for one, other in rows}  # noqa: C416 - rows are no tuples to mypy


def _pending(office: Office) -> int:
    query = select(func.count()).where(PendingMessage.account_id == office.account_id)
    with office.database.read() as conn:
        return conn.scalar(query) or 0

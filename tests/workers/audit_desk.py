"""A mailbox in memory to be audited, and the planted bug that an audit is for."""

from datetime import timedelta
from typing import Any

from prometheus_client import REGISTRY
from sqlalchemy import update

from crm.store import audits, history
from crm.store.audits import AuditRow
from crm.tables import Mailbox
from tests.workers.conftest import Office

MARIA = "maria@globex.test"
ROOT = "root-1@acme.test"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def begun(office: Office) -> int:
    office.contact(MARIA)
    box = office.mailbox("ana@acme.test")
    office.send(box, MARIA, "Offer", ROOT)
    office.sync(box)
    office.clock += DAY
    office.sync(box)
    return box


def reply(office: Office, box: int, name: str, **more: Any) -> str:
    return office.deliver(box, MARIA, "Re: Offer", f"{name}@globex.test", answers=ROOT, **more)


def lose(office: Office, box: int, *refs: str) -> None:
    """A planted bug: the cursor is moved past what has just come, which nobody has looked at."""
    with office.database.begin() as conn:
        conn.execute(
            update(Mailbox)
            .where(Mailbox.account_id == office.account_id, Mailbox.id == box)
            .values(cursor=str(office.boxes[box].last))
        )
    office.sync(box)
    assert not set(refs) & set(office.journal(box))


def compare(office: Office, box: int, days: int = 3, runs: int = 12) -> AuditRow:
    """Somebody asks for an audit, and it is worked on until it ends."""
    with office.database.begin() as conn:
        made = audits.begin(conn, office.account_id, box, days, office.clock)
    assert made is not None
    for _ in range(runs):
        office.sync(box)
        found = last(office, box)
        if found.ended_at is not None:
            break
        office.clock += timedelta(seconds=1)
    return found


def last(office: Office, box: int) -> AuditRow:
    with office.database.read() as conn:
        return audits.listing(conn, office.account_id, box, 5)[0]


def numbers(found: AuditRow) -> tuple[int, int, int, int]:
    assert found.ended_at is not None
    return found.looked, found.known, found.missed, found.logged


def told(office: Office, box: int) -> list[str]:
    with office.database.read() as conn:
        found = history.listing(conn, office.account_id, box, 50)
    return [each.what for each in found.items]


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0

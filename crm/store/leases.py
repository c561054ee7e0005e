"""Roles that one process at a time may play, like the timetable's leader."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_

from crm.store import sql
from crm.tables import Lease

LEADER = timedelta(seconds=10)  # how long the timetable's lease lasts from each of its ticks


def take(conn: Connection, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
    """Take the role `name`, or go on holding it, until `now + ttl`; False when another holds it.
    One held for much longer than that was taken by a clock that was put back since."""
    statement = sql.insert(conn, Lease).values(name=name, holder=holder, until=now + ttl)
    new = statement.excluded
    upsert = statement.on_conflict_do_update(
        index_elements=[Lease.name],
        set_={"holder": new.holder, "until": new.until},
        where=or_(Lease.until <= now, Lease.until > now + 2 * ttl, Lease.holder == new.holder),
    )
    return conn.execute(upsert.returning(Lease.id)).first() is not None


def release(conn: Connection, name: str, holder: str) -> None:
    """Give the role back early; nothing happens when another holds it."""
    conn.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))

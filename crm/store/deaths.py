"""Runs that did not give their lease back: the process that worked died, or hung.

After such a death a mailbox is read cautiously: a run says what it takes `in_hand` before it reads
it. What the next run still finds there becomes the `suspect` (see `runs.take_lease`), and what ended
MOST runs in a row is set aside. A process that is killed for other reasons finds another message in
hand each time, mostly, so nothing comes of it; and what was set aside has a second chance.
"""

from sqlalchemy import BindParameter, Connection, bindparam, case, exists, select

from crm.store import again
from crm.store.mailbox_rows import Mailbox
from crm.store.runs import HELD, LeaseLost, which
from crm.tables import Mailbox as Table
from crm.tables import PendingMessage

MOST = 3  # deaths over one message
MESSAGE, FILE = (
    "message ",
    "file ",
)  # what `in_hand` begins with: a provider's id follows, or a row's

_WHAT: BindParameter[str] = bindparam("what")
_TAKE = HELD.values(in_hand=_WHAT)
_PUT_DOWN = HELD.values(
    in_hand="",
    suspect=case((Table.suspect == _WHAT, ""), else_=Table.suspect),
    suspect_deaths=case((Table.suspect == _WHAT, 0), else_=Table.suspect_deaths),
)
_LET_GO = HELD.values(in_hand="")
_CALM = HELD.values(deaths=0, in_hand="", suspect="", suspect_deaths=0)


def is_fatal(mailbox: Mailbox) -> bool:
    """Whether the suspect ended MOST runs in a row. The first death found nobody prepared: where all
    others had the same message in hand, it counts as well. Not over a file, which has no second chance."""
    named = mailbox.suspect_deaths
    unprepared = named == mailbox.deaths - 1 and mailbox.suspect.startswith(MESSAGE)
    return bool(mailbox.suspect) and named + unprepared >= MOST


def was_set_aside(conn: Connection, mailbox: Mailbox) -> bool:
    """Whether the suspect is a message that was set aside before."""
    query = exists().where(
        PendingMessage.account_id == mailbox.account_id,
        PendingMessage.mailbox_id == mailbox.id,
        PendingMessage.provider_id == mailbox.suspect.removeprefix(MESSAGE),
        PendingMessage.reason == again.FATAL,
    )
    return mailbox.suspect.startswith(MESSAGE) and bool(conn.scalar(select(query)))


def take_in_hand(conn: Connection, mailbox: Mailbox, token: str, what: str) -> None:
    """Note what is about to be read. Raises LeaseLost."""
    if not conn.execute(_TAKE, which(mailbox, token) | {"what": what}).rowcount:
        raise LeaseLost


def put_down(conn: Connection, mailbox: Mailbox, token: str, what: str) -> None:
    """It was read, and we live: it is no suspect any more."""
    conn.execute(_PUT_DOWN, which(mailbox, token) | {"what": what})


def let_go(conn: Connection, mailbox: Mailbox, token: str) -> None:
    """Nothing is in hand, though it was not read: a suspect stays one."""
    conn.execute(_LET_GO, which(mailbox, token))


def calm(conn: Connection, mailbox: Mailbox, token: str) -> None:
    """All that may have been fatal is behind us: the next run need not be cautious."""
    conn.execute(_CALM, which(mailbox, token))

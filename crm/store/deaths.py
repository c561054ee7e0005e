"""Runs that did not give their lease back: the process that worked died, or hung.

After such a death a mailbox is read cautiously: a run says what it takes `in_hand` before it reads
it. What the next run still finds there becomes the `suspect` (see `runs.take_lease`), and what ended
MOST runs in a row is set aside. A process that is killed for other reasons finds another message in
hand each time, so nothing comes of it.
"""

from sqlalchemy import BindParameter, Connection, bindparam, case

from crm.store.mailbox_rows import Mailbox
from crm.store.runs import HELD, LeaseLost, which
from crm.tables import Mailbox as Table

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
    others had the same in hand, it counts as well."""
    named = mailbox.suspect_deaths
    unprepared = named == mailbox.deaths - 1
    return bool(mailbox.suspect) and named + unprepared >= MOST


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

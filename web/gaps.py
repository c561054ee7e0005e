"""What arrived while a mailbox was not connected: how much, and its owner's choice about it."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Response, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.database import Connection
from crm.history import counted, span
from crm.store import gaps
from crm.store.gaps import MOST_COUNTED, GapRow
from crm.store.mailboxes import Mailbox
from web import live
from web.connect import NAMES, owned_mailbox
from web.parts import parts

SHOWN_FOR = timedelta(days=1)  # what became of a gap, on the page after connecting


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap in words."""

    row: GapRow
    place: str  # the provider's name

    @property
    def away(self) -> str:
        return span((self.row.until - self.row.since).total_seconds())

    @property
    def more(self) -> bool:
        """Whether more arrived than was counted."""
        return self.row.arrived > MOST_COUNTED

    @property
    def arrived(self) -> str:
        if self.more:
            return f"more than {MOST_COUNTED:,} messages"
        return counted(self.row.arrived, "message") if self.row.arrived else "mail"

    @property
    def looked_at(self) -> str:
        return counted(self.row.found, "message")

    @property
    def version(self) -> tuple[object, ...]:
        row = self.row
        return (row.id, row.state, row.arrived, row.found, row.logged)


def of(conn: Connection, mailbox: Mailbox) -> list[Gap]:
    """The gaps that its owner has to decide about, or that are being read."""
    found = gaps.undecided(conn, mailbox.account_id, [mailbox.id])
    return [_gap(row, mailbox) for row in found if row.since < row.until]


def after_connecting(conn: Connection, mailbox: Mailbox) -> list[Gap]:
    """As `of`; where there is none, what became of the newest."""
    open_ones = of(conn, mailbox)
    last = gaps.latest(conn, mailbox.account_id, mailbox.id)
    fresh = last is not None and last.until > parts().clock() - SHOWN_FOR
    return open_ones or ([_gap(last, mailbox)] if last is not None and fresh else [])


def _gap(row: GapRow, mailbox: Mailbox) -> Gap:
    return Gap(row, NAMES.get(mailbox.provider, mailbox.provider))


def version(found: list[Gap]) -> str:
    return live.version(*(each.version for each in found))


def part(mailbox_id: int) -> Response:
    """Follows itself up on the page after connecting: counting and reading show as they go."""
    mailbox = owned_mailbox(mailbox_id)
    with parts().database.read() as conn:
        found = after_connecting(conn, mailbox)
    return live.part("parts/gaps_live.html", version(found), gaps=found, mailbox=mailbox)


def choose(mailbox_id: int, gap_id: int, do: str) -> AnyResponse:
    """Read it, or leave it. A choice is made once; made again it changes nothing."""
    mailbox, here = owned_mailbox(mailbox_id), parts()
    if do not in {"read", "leave"}:
        abort(404)
    with here.database.begin() as conn:
        if gap_id not in {each.row.id for each in of(conn, mailbox)}:
            abort(404)
        woken: set[int] = set()
        if do == "read":
            woken = gaps.read(conn, mailbox.account_id, gap_id, here.clock())
        else:
            gaps.leave(conn, mailbox.account_id, gap_id, here.clock())
    here.ring(*woken)
    if request.form.get("from") == "connected":
        return redirect(url_for("connected", mailbox_id=mailbox.id))
    text = "is read now" if do == "read" else "is left unread"
    flash(f"What arrived in {mailbox.address} while it was not connected {text}.")
    return redirect(url_for("mailboxes"))

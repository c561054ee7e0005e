"""The values of a refused message that are not kept (its subject), read from the mailbox while its
owner looks, and stored nowhere."""

from dataclasses import dataclass
from datetime import timedelta

from flask import render_template, request

from crm.explainer import Line
from crm.model import Headers, MailboxStatus, Ref
from crm.rules.decide import explain
from crm.rules.registry import BY_ID
from crm.spending import Spent
from crm.store import limits, mailboxes, runs
from crm.store.context import load_context
from crm.store.journal import Entry
from crm.store.limits import ERROR, LIMIT
from crm.store.mailboxes import Mailbox, NotConnected
from infra.logs import get
from providers.client import Gone, Limited, OutOfBudget, ProviderError, Reconnect, Retry
from providers.waiting import LIMITS
from web.journal_rows import own_row
from web.parts import parts

GONE = "The message is not in the mailbox any more."
STOPPED = "The mailbox must be connected again before it can be asked."
READING = "Its mail is being read just now. Try again in a few seconds."
BUSY = "The provider does not answer right now. Try again in a minute."

LOOK = timedelta(seconds=90)  # longer than any answer may take
MINUTE = 60.0  # seconds; most limits are counted by it


@dataclass(frozen=True, slots=True)
class Values:
    """What the mailbox told, or why it did not."""

    headers: Headers | None = None
    rules: tuple[Line, ...] = ()
    problem: str = ""


def page(row_id: int) -> str:
    """The values beside a row, or by themselves where there is no script."""
    with parts().database.read() as conn:
        entry, mailbox = own_row(conn, row_id)
    values = _looked(entry, mailbox)
    alone = not request.headers.get("HX-Request")
    template = "why/values_page.html" if alone else "why/values.html"
    return render_template(template, values=values, entry=entry, mailbox=mailbox)


def _looked(entry: Entry, mailbox: Mailbox) -> Values:
    here = parts()
    if mailbox.status is not MailboxStatus.CONNECTED:
        return Values(problem=STOPPED)
    if mailbox.rests(here.clock()):
        return Values(problem=BUSY)
    with here.database.begin() as conn:
        token = runs.borrow(conn, mailbox, here.clock(), LOOK)
        mailbox = mailboxes.by_id(conn, mailbox.id) or mailbox  # a run may have ended just now
    if not token:
        return Values(problem=READING)
    client = here.client_of(mailbox)
    try:
        headers = client.headers([Ref(entry.provider_id)])[0]
    except Gone:
        headers = None
    except (ProviderError, NotConnected) as error:
        return Values(problem=_problem(mailbox, error))
    finally:
        client.close()
        _let_go(mailbox, token, client.spent())
    return _explained(headers, mailbox) if headers else Values(problem=GONE)


def _problem(mailbox: Mailbox, error: Exception) -> str:
    if isinstance(error, (Reconnect, NotConnected)):
        return STOPPED
    if isinstance(error, Retry):
        _noted(mailbox, error)
    else:
        name = type(error).__name__
        get(__name__).warning("values not read", mailbox_id=mailbox.id, error=name)
    return BUSY


def _noted(mailbox: Mailbox, error: Retry) -> None:
    """A limit holds for runs as well, and for whoever looks next."""
    here = parts()
    now = here.clock()
    if isinstance(error, OutOfBudget):
        return  # the mailbox's own count says so to whoever looks next
    if isinstance(error, Limited):
        LIMITS.labels(mailbox.provider, error.shape).inc()
        by, until = f"{LIMIT}{error.shape}", now + timedelta(seconds=error.after or MINUTE)
    elif error.after is not None:
        by, until = f"{ERROR}Retry", now + timedelta(seconds=error.after)
    else:
        return
    with here.database.begin() as conn:
        limits.block(conn, mailbox, until, by, now)


def _let_go(mailbox: Mailbox, token: str, spent: Spent | None) -> None:
    here = parts()
    with here.database.begin() as conn:
        now = here.clock()
        runs.note_spent(conn, mailbox, token, spent, now)
        waiting = runs.give_back(conn, mailbox, token, now)
    if waiting:
        here.ring(mailbox.id)


def _explained(headers: Headers, mailbox: Mailbox) -> Values:
    with parts().database.read() as conn:
        context = load_context(conn, mailbox, [headers]).of(headers)
    rules = tuple(
        Line(rule, BY_ID[rule].title, passed, sentence)
        for rule, passed, sentence in explain(headers, context)
    )
    return Values(headers, rules)

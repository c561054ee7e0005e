"""The values of a refused message that are not kept (its subject), read from the mailbox while its
owner looks, and stored nowhere."""

from dataclasses import dataclass
from datetime import timedelta

from flask import render_template, request

from crm.explainer import Line
from crm.model import Headers, MailboxStatus, Ref
from crm.rules.decide import explain
from crm.rules.registry import BY_ID
from crm.store import mailboxes
from crm.store.context import load_context
from crm.store.journal import Entry
from crm.store.mailboxes import Mailbox, NotConnected
from infra.logs import get
from providers.client import Gone, ProviderError, Reconnect, Retry
from web.journal_rows import own_row
from web.parts import parts

GONE = "The message is not in the mailbox any more."
STOPPED = "The mailbox must be connected again before it can be asked."
BUSY = "The provider does not answer right now. Try again in a minute."


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
    if mailbox.blocked_until is not None and mailbox.blocked_until > here.clock():
        return Values(problem=BUSY)
    try:
        headers = _asked(entry, mailbox)
    except (Reconnect, NotConnected):
        return Values(problem=STOPPED)
    except Gone:
        headers = None
    except Retry as error:
        if error.after is not None:
            with here.database.begin() as conn:
                mailboxes.block(conn, mailbox, here.clock() + timedelta(seconds=error.after))
        return Values(problem=BUSY)
    except ProviderError as error:
        name = type(error).__name__
        get(__name__).warning("values not read", mailbox_id=mailbox.id, error=name)
        return Values(problem=BUSY)
    return _explained(headers, mailbox) if headers else Values(problem=GONE)


def _asked(entry: Entry, mailbox: Mailbox) -> Headers | None:
    client = parts().client_of(mailbox)
    try:
        return client.headers([Ref(entry.provider_id)])[0]
    finally:
        client.close()


def _explained(headers: Headers, mailbox: Mailbox) -> Values:
    with parts().database.read() as conn:
        context = load_context(conn, mailbox, [headers]).of(headers)
    rules = tuple(
        Line(rule, BY_ID[rule].title, passed, sentence)
        for rule, passed, sentence in explain(headers, context)
    )
    return Values(headers, rules)

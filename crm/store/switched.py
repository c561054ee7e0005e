"""Judging again where a switch of the account lets a message in because of another one: the message
that a ticked e-mail answers (`log_parent`), a user's own reply in a thread (`log_own_replies`), mail
with somebody who is a contact now (`log_all_known`)."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from crm.model import Place
from crm.rules.decide import decide
from crm.store import accounts, again, sql
from crm.store import settings as account_settings
from crm.store.answers import TICKS
from crm.store.context import load_context
from crm.store.entries import Settled
from crm.store.outcomes import Later, Refused, Run
from crm.tables import JournalRow, Mailbox

_PARENTS = frozenset({"not-a-reply", "unknown-thread"})  # that an answer lifts
_RULES = _PARENTS | {"not-ticked"}  # that one of the switches lifts


def after_settling(
    conn: Connection, run: Run, outcomes: Sequence[Settled | Refused | Later], now: datetime
) -> set[int]:
    """These outcomes are written: judge again what they let in, and what was let in meanwhile. Gives
    the mailboxes concerned."""
    switches = account_settings.settings_of(conn, run.mailbox.account_id).switches
    touched: set[int] = set()
    if switches.log_parent:
        touched |= _parents(
            conn, run, [each for each in outcomes if isinstance(each, Settled)], now
        )
    if switches.log_parent or switches.log_own_replies or switches.log_all_known:
        touched |= _overtaken(
            conn, run, [each for each in outcomes if isinstance(each, Refused)], now
        )
    return touched


def _parents(conn: Connection, run: Run, settled: Sequence[Settled], now: datetime) -> set[int]:
    """What ticked e-mails answer, where one of the user's mailboxes refused it."""
    account_id, user_id = run.mailbox.account_id, run.mailbox.user_id
    answered = {
        each.headers.answers[0]
        for each in settled
        if each.verdict
        and each.verdict.rule in TICKS
        and each.headers.place is Place.SENT
        and each.headers.answers
    }
    if not answered or user_id is None:
        return set()
    digests = accounts.digests(conn, account_id, run.secrets)
    theirs = select(Mailbox.id).where(Mailbox.account_id == account_id, Mailbox.user_id == user_id)
    found: list[int] = []
    for some in sql.chunks(sorted(digests.of(each) for each in answered)):
        query = select(JournalRow.id).where(
            JournalRow.account_id == account_id,
            JournalRow.message_digest.in_(some),
            JournalRow.rule.in_(_PARENTS),
            JournalRow.mailbox_id.in_(theirs),
        )
        found += conn.scalars(query)
    return again.these(conn, account_id, found, again.ANSWERED, now)


def _overtaken(conn: Connection, run: Run, refused: Sequence[Refused], now: datetime) -> set[int]:
    """Between the verdicts and this commit another run may have stored what lets a message in. The
    rules are asked once more; with what they know now the next run cannot refuse it again."""
    mailbox = run.mailbox
    known = {each.ref.id: each.headers for each in refused if each.headers and each.rule in _RULES}
    if not known:
        return set()
    contexts = load_context(conn, mailbox, list(known.values()))
    late = [ref for ref, headers in known.items() if decide(headers, contexts.of(headers)).logged]
    return again.these(conn, mailbox.account_id, _rows(conn, run, late), again.OVERTAKEN, now)


def _rows(conn: Connection, run: Run, provider_ids: Collection[str]) -> list[int]:
    found: list[int] = []
    for some in sql.chunks(provider_ids):
        query = select(JournalRow.id).where(
            JournalRow.account_id == run.mailbox.account_id,
            JournalRow.mailbox_id == run.mailbox.id,
            JournalRow.provider_id.in_(some),
        )
        found += conn.scalars(query)
    return found

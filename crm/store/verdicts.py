"""The journal's and the pending list's side of settling messages."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256

from sqlalchemy import BindParameter, Connection, bindparam, case, delete, func, or_, select

from crm.columns import key
from crm.history import What
from crm.model import Headers, Ref, VerdictKind
from crm.rules.registry import BY_THREAD
from crm.store import again, history, sql
from crm.store.accounts import Digests
from crm.store.context import contacts_of, nearest_roots
from crm.store.entries import Settled
from crm.store.mailbox_rows import Mailbox
from crm.store.outbox import tell_all
from crm.store.outcomes import Later, Refused
from crm.tables import JournalReference, JournalRow, PendingMessage
from crm.topics import REFUSED

_KEY = [JournalRow.mailbox_id, JournalRow.provider_id]
_MAILBOX: BindParameter[int] = bindparam("mailbox")
_ROWS = select(JournalRow.id).where(
    sql.held(JournalRow), JournalRow.mailbox_id == _MAILBOX, sql.among(JournalRow.provider_id)
)
_IDS = _ROWS.with_only_columns(JournalRow.provider_id, JournalRow.id).where(
    JournalRow.verdict == bindparam("verdict")
)
_FORGET = delete(JournalReference).where(
    sql.held(JournalReference), JournalReference.journal_id.in_(_ROWS)
)
_REMOVE = delete(PendingMessage).where(
    sql.held(PendingMessage),
    PendingMessage.mailbox_id == _MAILBOX,
    sql.among(PendingMessage.provider_id),
)


def write(
    conn: Connection,
    mailbox: Mailbox,
    outcomes: Sequence[Settled | Refused | Later],
    digests: Digests,
    now: datetime,
) -> set[int]:
    """Write journal and pending rows for `outcomes`, the last one of each message.

    Gives the mailboxes in which messages are to be judged again: those refused here for want of
    something that another run stored after this one had looked.
    """
    last = {_ref(outcome).id: outcome for outcome in outcomes}
    settled = [each for each in last.values() if isinstance(each, Settled)]
    refused = [each for each in last.values() if isinstance(each, Refused)]
    later = [each for each in last.values() if isinstance(each, Later)]
    _journal(conn, mailbox, settled, refused, digests, now)
    _journal_pending(conn, mailbox, later, now)
    done = [each for each in last.values() if not isinstance(each, Later)]
    _remove_pending(conn, mailbox, [_ref(each).id for each in done])
    _write_pending(conn, mailbox, later, now)
    return _overtaken(conn, mailbox, refused, now)


def tell_refused(
    conn: Connection,
    mailbox: Mailbox,
    outcomes: Sequence[Settled | Refused | Later],
    now: datetime,
) -> None:
    """An event for each message that is refused now, once for each rule; it names nothing of it."""
    rules = {each.ref.id: each.rule for each in outcomes if isinstance(each, Refused)}
    ids = _journal_ids(conn, mailbox, rules.keys(), VerdictKind.REFUSED)
    events = {
        f"{REFUSED}:{mailbox.id}:{sha256(ref.encode()).hexdigest()[:32]}:{rules[ref]}": {
            "journal_id": journal_id,
            "mailbox_id": mailbox.id,
            "rule": rules[ref],
        }
        for ref, journal_id in ids.items()
    }
    tell_all(conn, mailbox.account_id, REFUSED, events, now)


def _ref(outcome: Settled | Refused | Later) -> Ref:
    return outcome.headers.ref if isinstance(outcome, Settled) else outcome.ref


def _journal(
    conn: Connection,
    mailbox: Mailbox,
    settled: Sequence[Settled],
    refused: Sequence[Refused],
    digests: Digests,
    now: datetime,
) -> None:
    rows = [
        _row(mailbox, each.headers.ref, each.headers, digests, now)
        | {"verdict": VerdictKind.LOGGED, "rule": each.rule, "email_id": each.email_id}
        | {"turned_by": each.turned_by}
        for each in settled
    ]
    rows += [
        _row(mailbox, each.ref, each.headers, digests, now)
        | {"verdict": VerdictKind.REFUSED, "rule": each.rule, "email_id": None}
        | {"turned_by": each.turned_by}
        for each in refused
    ]
    _upsert(conn, rows)
    _references(conn, mailbox, settled, refused, digests)


def _row(
    mailbox: Mailbox, ref: Ref, headers: Headers | None, digests: Digests, now: datetime
) -> sql.Row:
    message_id = headers.message_id if headers else ""
    received_at = headers.received_at if headers else None
    return {
        "account_id": mailbox.account_id,
        "mailbox_id": mailbox.id,
        "provider_id": ref.id,
        "message_digest": digests.of(message_id) if message_id else "",
        "sender": headers.sender.address if headers else "",
        "received_at": received_at,
        "at": received_at or now,
        "decided_at": now,
    }


def _upsert(conn: Connection, rows: list[sql.Row]) -> None:
    """A later verdict replaces the earlier one, but nothing replaces `logged`: the entry is there
    wherever its copy went. What was known of a message stays known when only its place is."""
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: str(row["provider_id"]))
    conn.execute(_newest(conn.dialect.name), ordered)


@cache
def _newest(dialect: str) -> sql.Insert:
    statement = sql.insert_into(dialect, JournalRow)
    new = statement.excluded
    known = new.received_at.is_not(None)
    return statement.on_conflict_do_update(
        index_elements=_KEY,
        set_={
            "verdict": new.verdict,
            "rule": new.rule,
            "email_id": new.email_id,
            "turned_by": new.turned_by,
            "decided_at": new.decided_at,
            "received_at": func.coalesce(new.received_at, JournalRow.received_at),
            "at": case((known, new.at), else_=JournalRow.at),
            "sender": case((known, new.sender), else_=JournalRow.sender),
            "message_digest": case((known, new.message_digest), else_=JournalRow.message_digest),
        },
        where=or_(JournalRow.verdict != VerdictKind.LOGGED, JournalRow.email_id.is_(None)),
    )


def _references(
    conn: Connection,
    mailbox: Mailbox,
    settled: Sequence[Settled],
    refused: Sequence[Refused],
    digests: Digests,
) -> None:
    referring = {
        each.ref.id: each.headers.answers
        for each in refused
        if each.headers and each.headers.answers
    }
    ids = _journal_ids(conn, mailbox, referring.keys(), VerdictKind.REFUSED)
    rows = [
        {"account_id": mailbox.account_id, "journal_id": ids[key(provider_id)], "digest": digest}
        for provider_id, answers in sorted(referring.items())
        if key(provider_id) in ids
        for digest in sorted({digests.of(answer) for answer in answers})
    ]
    sql.add_missing(conn, JournalReference, rows)
    logged = [each.headers.ref.id for each in settled if each.headers.answers]
    for some in sql.chunks(logged):
        conn.execute(_FORGET, {"account": mailbox.account_id, "mailbox": mailbox.id, "some": some})


def _journal_ids(
    conn: Connection, mailbox: Mailbox, provider_ids: Iterable[str], verdict: VerdictKind
) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in sql.chunks(provider_ids):
        values = {"account": mailbox.account_id, "mailbox": mailbox.id, "some": some}
        rows = conn.execute(_IDS, values | {"verdict": verdict})
        found.update((provider_id, journal_id) for provider_id, journal_id in rows)
    return found


def _journal_pending(
    conn: Connection, mailbox: Mailbox, later: Sequence[Later], now: datetime
) -> None:
    """A message without a verdict yet shows as pending; one that has a verdict keeps it."""
    rows = [
        {
            "account_id": mailbox.account_id,
            "mailbox_id": mailbox.id,
            "provider_id": each.ref.id,
            "message_digest": "",
            "sender": "",
            "received_at": None,
            "at": now,
            "verdict": VerdictKind.PENDING,
            "rule": each.reason,
            "decided_at": now,
        }
        for each in later
    ]
    if not rows:
        return
    statement = sql.insert(conn, JournalRow)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=_KEY,
            set_={"rule": statement.excluded.rule, "decided_at": statement.excluded.decided_at},
            where=JournalRow.verdict == VerdictKind.PENDING,
        ),
        rows,
    )


def _remove_pending(conn: Connection, mailbox: Mailbox, provider_ids: Collection[str]) -> None:
    """Remove what is settled from the pending list."""
    for some in sql.chunks(provider_ids):
        values = {"account": mailbox.account_id, "mailbox": mailbox.id, "some": some}
        conn.execute(_REMOVE, values)


def _write_pending(
    conn: Connection, mailbox: Mailbox, later: Sequence[Later], now: datetime
) -> None:
    given_up = [each for each in later if each.next_at is None and each.reason != again.FATAL]
    if given_up:
        facts = {"messages": len(given_up)}
        history.note(conn, mailbox.account_id, mailbox.id, What.GIVEN_UP, now, **facts)
    rows = [
        {
            "account_id": mailbox.account_id,
            "mailbox_id": mailbox.id,
            "provider_id": each.ref.id,
            "provider_thread": each.ref.thread,
            "reason": each.reason,
            "attempts": 1,
            "next_at": each.next_at,
            "last_error": each.error,
            "created_at": now,
        }
        for each in later
    ]
    if not rows:
        return
    statement = sql.insert(conn, PendingMessage)
    new = statement.excluded
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[PendingMessage.mailbox_id, PendingMessage.provider_id],
            set_={
                "reason": new.reason,
                "attempts": PendingMessage.attempts + 1,
                "next_at": new.next_at,
                "last_error": new.last_error,
            },
        ),
        rows,
    )


def _overtaken(
    conn: Connection,
    mailbox: Mailbox,
    refused: Sequence[Refused],
    now: datetime,
) -> set[int]:
    """Between reading the context and this commit another run may have logged a nearer e-mail, or
    made the sender a contact: what it put on the pending list was removed with this verdict. Judged
    with what is known now they are overtaken no more, so nothing goes round for ever."""
    account_id = mailbox.account_id
    headers = {each.ref.id: each.headers for each in refused if each.headers}
    by_thread = {each.ref.id: each for each in refused if each.headers and each.rule in BY_THREAD}
    roots = nearest_roots(conn, account_id, [headers[each] for each in by_thread])
    late = [each for each, of in by_thread.items() if roots.get(each) != of.root]
    ids = _journal_ids(conn, mailbox, late, VerdictKind.REFUSED)
    touched = again.these(conn, account_id, ids.values(), again.LATE_ROOT, now)
    strangers = {
        each: headers[each].sender.address
        for each, of in by_thread.items()
        if of.rule == "unknown-sender"
    }
    if strangers:
        contacts = contacts_of(conn, account_id, set(strangers.values()))
        late = [each for each, address in strangers.items() if address in contacts]
        ids = _journal_ids(conn, mailbox, late, VerdictKind.REFUSED)
        touched |= again.these(conn, account_id, ids.values(), again.NEW_ADDRESS, now)
    return touched

"""Inserting new logged e-mails with their threads, people, contacts, files and associations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from crm.model import Address, Direction, Headers, MailboxKind, Place
from crm.store import sql
from crm.store.associations import associate
from crm.store.context import contacts_of
from crm.store.mailbox_rows import Mailbox
from crm.store.outcomes import Logged
from crm.store.people import create_contacts
from crm.subjects import base_subject
from crm.tables import (
    Email,
    EmailAttachment,
    EmailContact,
    EmailPerson,
    EmailReference,
    OutboxEvent,
    Thread,
)

LOGGED_TOPIC = "email.logged"
SNIPPET = 200  # characters
CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NewEntry:
    identity: str
    logged: Logged

    @property
    def headers(self) -> Headers:
        return self.logged.message.headers


@dataclass(frozen=True, slots=True)
class Inserted:
    """Ids of the e-mails by identity, and the addresses that became a contact's."""

    ids: dict[str, int]
    addresses: frozenset[str]


def believable(headers: Headers) -> datetime:
    """When the message was sent. A date that is missing, or lies more than a day after the message
    arrived, would keep it on top of timelines: the time of arrival stands for it."""
    sent_at = headers.sent_at
    if sent_at is None or sent_at > headers.received_at + CLOCK_SKEW:
        return headers.received_at
    return sent_at


def insert_entries(
    conn: Connection, mailbox: Mailbox, entries: Sequence[NewEntry], now: datetime
) -> Inserted:
    """Insert e-mails that are not there yet; the caller has made sure of that, and is `alone`."""
    if not entries:
        return Inserted({}, frozenset())
    account_id = mailbox.account_id
    entries = sorted(entries, key=lambda entry: entry.identity)
    create = [person for entry in entries for person in entry.logged.verdict.create]
    addresses = create_contacts(conn, account_id, create, now)
    wanted = [address for entry in entries for address in entry.logged.verdict.contacts]
    known = contacts_of(conn, account_id, [*wanted, *(each.address for each in create)])
    contacts = {entry.identity: _contacts_of(entry, known) for entry in entries}
    threads = _threads(conn, mailbox, entries)
    ids = _emails(conn, mailbox, entries, threads, now)
    _hang(conn, account_id, entries, ids, contacts)
    started = {
        threads[entry.identity]: contacts[entry.identity]
        for entry in entries
        if entry.logged.verdict.root is None
    }
    if started:
        associate(conn, account_id, started)
    events = [
        _event(account_id, ids[entry.identity], contacts[entry.identity], entry, now)
        for entry in entries
    ]
    sql.add_missing(conn, OutboxEvent, events)
    return Inserted(ids, addresses)


def _contacts_of(entry: NewEntry, known: dict[str, int]) -> list[int]:
    verdict = entry.logged.verdict
    addresses = [*verdict.contacts, *(each.address for each in verdict.create)]
    return sorted({known[address] for address in addresses if address in known})


def _threads(conn: Connection, mailbox: Mailbox, entries: Sequence[NewEntry]) -> dict[str, int]:
    """Thread id by identity: of the root in the verdict, or of a new thread."""
    found = {
        entry.identity: entry.logged.verdict.root.thread_id
        for entry in entries
        if entry.logged.verdict.root is not None
    }
    rows = [
        {
            "account_id": mailbox.account_id,
            "root_identity": entry.identity,
            "subject": entry.headers.subject,
            "base_subject": base_subject(entry.headers.subject),
            "owner_id": mailbox.user_id,
            "team": mailbox.kind is MailboxKind.TEAM,
        }
        for entry in entries
        if entry.identity not in found
    ]
    if rows:
        made = conn.execute(insert(Thread).returning(Thread.root_identity, Thread.id), rows)
        found.update((identity, thread_id) for identity, thread_id in made)
    return found


def _emails(
    conn: Connection,
    mailbox: Mailbox,
    entries: Sequence[NewEntry],
    threads: dict[str, int],
    now: datetime,
) -> dict[str, int]:
    rows = [
        {
            "account_id": mailbox.account_id,
            "thread_id": threads[entry.identity],
            "identity": entry.identity,
            "message_id": entry.headers.message_id,
            "direction": _direction(entry),
            "kind": entry.logged.kind,
            "rule": entry.logged.verdict.rule,
            "sender": entry.headers.sender.address,
            "subject": entry.headers.subject,
            "sent_at": believable(entry.headers),
            "received_at": entry.headers.received_at,
            "logged_at": now,
            "snippet": " ".join(entry.logged.message.text[: 20 * SNIPPET].split())[:SNIPPET],
            "text": entry.logged.message.text,
            "html": entry.logged.message.html,
            "owner_id": mailbox.user_id,
        }
        for entry in entries
    ]
    made = conn.execute(insert(Email).returning(Email.identity, Email.id), rows)
    return {identity: email_id for identity, email_id in made}  # noqa: C416


def _direction(entry: NewEntry) -> Direction:
    sent = entry.headers.place is Place.SENT or entry.logged.verdict.rule.startswith("sent-")
    return Direction.OUTGOING if sent else Direction.INCOMING


def _hang(
    conn: Connection,
    account_id: int,
    entries: Sequence[NewEntry],
    ids: dict[str, int],
    contacts: dict[str, list[int]],
) -> None:
    people: list[sql.Row] = []
    files: list[sql.Row] = []
    references: list[sql.Row] = []
    on_timelines: list[sql.Row] = []
    for entry in entries:
        own = {"account_id": account_id, "email_id": ids[entry.identity]}
        people += [own | person for person in _people(entry.headers)]
        references += [own | {"message_id": each} for each in entry.headers.answers]
        on_timelines += [own | {"contact_id": each} for each in contacts[entry.identity]]
        files += [
            own
            | {
                "part": file.part,
                "filename": file.filename,
                "content_type": file.content_type,
                "size": file.size,
                "inline": file.inline,
                "content_id": file.content_id,
            }
            for file in entry.logged.message.attachments
        ]
    sql.add_missing(conn, EmailPerson, people)
    sql.add_missing(conn, EmailReference, references)
    sql.add_missing(conn, EmailContact, on_timelines)
    sql.add_missing(conn, EmailAttachment, files)


def _people(headers: Headers) -> list[sql.Row]:
    roles: dict[str, Sequence[Address]] = {
        "from": (headers.sender,),
        "to": headers.to,
        "cc": headers.cc,
        "bcc": headers.bcc,
    }
    return [
        {"role": role, "address": each.address, "name": each.name, "position": position}
        for role, people in roles.items()
        for position, each in enumerate(people)
        if each.address
    ]


def _event(
    account_id: int, email_id: int, contact_ids: list[int], entry: NewEntry, now: datetime
) -> sql.Row:
    return {
        "account_id": account_id,
        "key": f"{LOGGED_TOPIC}:{email_id}",
        "topic": LOGGED_TOPIC,
        "payload": {
            "email_id": email_id,
            "contact_ids": contact_ids,
            "direction": _direction(entry).value,
            "kind": entry.logged.kind.value,
        },
        "attempts": 0,
        "next_at": now,
        "created_at": now,
    }

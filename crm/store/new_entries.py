"""Inserting new logged e-mails with their threads, people, contacts, files and associations."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select

from crm.addresses import listed
from crm.model import AccountSettings, Address, Direction, Headers, MailboxKind, NeverLog, Original
from crm.store import never_log as never_log_lists
from crm.store import sql
from crm.store.associations import associate
from crm.store.context import contacts_of
from crm.store.copies import direction, owner
from crm.store.files import rows_of
from crm.store.mailbox_rows import Mailbox
from crm.store.outbox import tell_all
from crm.store.outcomes import Logged
from crm.store.people import create_contacts
from crm.store.settings import settings_of
from crm.store.visibility import defaults
from crm.subjects import base_subject
from crm.tables import (
    Email,
    EmailAttachment,
    EmailContact,
    EmailPerson,
    EmailReference,
    Thread,
)
from crm.words import searchable

LOGGED_TOPIC = "email.logged"
SNIPPET = 200  # characters
CLOCK_SKEW = timedelta(days=1)
_THREAD = insert(Thread).returning(Thread.root_identity, Thread.id)
_OWNERS = select(Thread.id, Thread.owner_id).where(sql.held(Thread), sql.among(Thread.id))
_EMAIL = insert(Email).returning(Email.identity, Email.id)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A message to insert; `thread_id` None begins a thread."""

    identity: str
    logged: Logged
    thread_id: int | None

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
    contacts = _contacts(conn, mailbox, entries)
    threads = _threads(conn, mailbox, entries)
    ids = _emails(conn, mailbox, entries, threads, now)
    _hang(conn, mailbox, entries, ids, contacts, now)
    bringing = {
        ids[entry.identity]: contacts[entry.identity]
        for entry in entries
        if entry.thread_id is None or _direction(entry) is Direction.OUTGOING
    }
    if bringing:
        associate(conn, account_id, bringing)
    events = {
        f"{LOGGED_TOPIC}:{ids[each.identity]}": _told(
            ids[each.identity], contacts[each.identity], each
        )
        for each in entries
    }
    tell_all(conn, account_id, LOGGED_TOPIC, events, now)
    return Inserted(ids, addresses)


def _contacts(
    conn: Connection, mailbox: Mailbox, entries: Sequence[NewEntry]
) -> dict[str, list[int]]:
    """Ids of the contacts on whose timelines each e-mail stands, by identity: those of the verdict,
    and whoever among its people has become a contact since it was judged."""
    judged = {each.identity: _judged(each) for each in entries}
    standing = {each.identity: _standing(each) for each in entries}
    everyone = [one for of in (judged, standing) for them in of.values() for one in them]
    known = contacts_of(conn, mailbox.account_id, everyone)
    owners = {each.identity: owner(mailbox, each.logged.verdict) for each in entries}
    lists: dict[int | None, NeverLog] = {}  # by owner
    found = {}
    for identity, them in judged.items():
        on = {known[one] for one in them if one in known}
        for one in standing[identity] - them:
            if one in known:
                whose = owners[identity]
                if whose not in lists:
                    lists[whose] = never_log_lists.listed(conn, mailbox.account_id, whose)
                on |= set() if listed(one, lists[whose]) else {known[one]}
        found[identity] = sorted(on)
    return found


def _judged(entry: NewEntry) -> set[str]:
    verdict = entry.logged.verdict
    return {*verdict.contacts, *(each.address for each in verdict.create)}


def _standing(entry: NewEntry) -> set[str]:
    headers = entry.headers
    people = [*headers.to, *headers.cc]
    forwarder = entry.logged.verdict.original is not Original.NO  # another is the contact
    if _direction(entry) is not Direction.OUTGOING and not forwarder:
        people.append(headers.sender)
    return {each.address for each in people if each.address}


def _threads(conn: Connection, mailbox: Mailbox, entries: Sequence[NewEntry]) -> dict[str, int]:
    """Thread id by identity."""
    found = {entry.identity: entry.thread_id for entry in entries if entry.thread_id is not None}
    rows = [
        {
            "account_id": mailbox.account_id,
            "root_identity": entry.identity,
            "subject": entry.headers.subject,
            "base_subject": base_subject(entry.headers.subject),
            "owner_id": owner(mailbox, entry.logged.verdict),
            "team": mailbox.kind is MailboxKind.TEAM,
        }
        for entry in entries
        if entry.identity not in found
    ]
    if rows:
        made = conn.execute(_THREAD, rows)
        found.update((identity, thread_id) for identity, thread_id in made)
    return found


def _emails(
    conn: Connection,
    mailbox: Mailbox,
    entries: Sequence[NewEntry],
    threads: dict[str, int],
    now: datetime,
) -> dict[str, int]:
    owners = _owners(conn, mailbox.account_id, threads.values())
    visibility = defaults(conn, mailbox.account_id, set(owners.values()))
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
            "owner_id": owners[threads[entry.identity]],
            "visibility": visibility[owners[threads[entry.identity]]],
            "words": _words(entry),
        }
        for entry in entries
    ]
    made = conn.execute(_EMAIL, rows)
    return {identity: email_id for identity, email_id in made}  # noqa: C416


def _owners(
    conn: Connection, account_id: int, thread_ids: Collection[int]
) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    for some in sql.chunks(thread_ids):
        rows = conn.execute(_OWNERS, {"account": account_id, "some": some})
        found.update((thread_id, owner_id) for thread_id, owner_id in rows)
    return found


def _words(entry: NewEntry) -> str:
    headers = entry.headers
    people = (
        text for each in (headers.sender, *headers.recipients) for text in (each.name, each.address)
    )
    return searchable([headers.subject, *people, entry.logged.message.text])


def _direction(entry: NewEntry) -> Direction:
    return direction(entry.headers, entry.logged.verdict.rule)


def _hang(
    conn: Connection,
    mailbox: Mailbox,
    entries: Sequence[NewEntry],
    ids: dict[str, int],
    contacts: dict[str, list[int]],
    now: datetime,
) -> None:
    settings: AccountSettings | None = None
    people: list[sql.Row] = []
    files: list[sql.Row] = []
    references: list[sql.Row] = []
    on_timelines: list[sql.Row] = []
    for entry in entries:
        own = {"account_id": mailbox.account_id, "email_id": ids[entry.identity]}
        people += [own | person for person in _people(entry.headers)]
        references += [own | {"message_id": each} for each in entry.headers.answers]
        on_timelines += [own | {"contact_id": each} for each in contacts[entry.identity]]
        if entry.logged.message.attachments:
            settings = settings or settings_of(conn, mailbox.account_id)
            rows = rows_of(mailbox.id, entry.logged.message, settings, now)
            files += [own | row for row in rows]
    sql.add_missing(conn, EmailPerson, people)
    sql.add_missing(conn, EmailReference, references)
    sql.add_missing(conn, EmailContact, on_timelines)
    sql.add_missing(conn, EmailAttachment, files)


def add_people(conn: Connection, account_id: int, copies: Sequence[tuple[int, Headers]]) -> None:
    """The people whom other copies of e-mails name: a sender's own shows whom it went to in Bcc."""
    rows = [
        {"account_id": account_id, "email_id": email_id} | person
        for email_id, headers in copies
        for person in _people(headers)
        if person["role"] != "from"
    ]
    sql.add_missing(conn, EmailPerson, rows)


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


def _told(email_id: int, contact_ids: list[int], entry: NewEntry) -> sql.Row:
    return {
        "email_id": email_id,
        "contact_ids": contact_ids,
        "direction": _direction(entry).value,
        "kind": entry.logged.kind.value,
    }

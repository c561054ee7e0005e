"""Files of logged e-mails: what is still to be read of them, what is kept, and who may see it.

A file is read in the mailbox whose copy of the e-mail was seen first, of those that are connected:
one of them, so that no two read the same. Where that has it no more, the next is asked (`crm.store.file_copies`).
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, Connection, Select, bindparam, delete, func, select, update
from sqlalchemy.orm import aliased

from crm.columns import key
from crm.model import AccountSettings, Attachment, FileState, MailboxStatus, Message, Ref
from crm.rules import files as rules
from crm.store import paging, sql
from crm.store.mailbox_rows import Mailbox
from crm.store.paging import Page
from crm.store.visibility import Viewer, visible
from crm.tables import Email, EmailContact, EmailPerson, Sighting
from crm.tables import EmailAttachment as Table
from crm.tables import Mailbox as Place


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a logged e-mail. Its bytes are kept under `digest`, where that is not ''."""

    id: int
    email_id: int
    part: str
    filename: str
    content_type: str
    size: int
    inline: bool
    content_id: str
    state: str
    digest: str

    @property
    def is_kept(self) -> bool:
        return self.state == FileState.STORED and bool(self.digest)


@dataclass(frozen=True, slots=True)
class ContactFile:
    """A file among all of a contact's, with the e-mail that brought it."""

    file: FileRow
    sender: str
    name: str  # the sender's, '' where none was given
    subject: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A file that is to be read now, and the message in this mailbox that has it."""

    id: int
    account_id: int
    mailbox_id: int
    email_id: int
    sighting_id: int
    ref: Ref
    part: str
    filename: str
    content_type: str
    state: FileState
    attempts: int
    logged_at: datetime
    copy: str
    known: bool  # `part` is its name in this very message, not in another copy


_ROW = (
    Table.id,
    Table.email_id,
    Table.part,
    Table.filename,
    Table.content_type,
    Table.size,
    Table.inline,
    Table.content_id,
    Table.state,
    Table.digest,
)
_UNREAD = (FileState.WAITING, FileState.PENDING)
_MAILBOX: BindParameter[int] = bindparam("mailbox")
_EARLIER = aliased(Sighting)
_READ_ELSEWHERE = (
    select(_EARLIER.id)
    .join(Place, Place.id == _EARLIER.mailbox_id)
    .where(
        sql.held(_EARLIER),
        sql.held(Place),
        _EARLIER.email_id == Sighting.email_id,
        _EARLIER.id < Sighting.id,
        _EARLIER.id > Table.gone_from,
        Place.status == MailboxStatus.CONNECTED,
    )
    .exists()
)
_HERE = (
    sql.held(Table),
    sql.held(Sighting),
    Sighting.email_id == Table.email_id,
    Sighting.mailbox_id == _MAILBOX,
    Sighting.id > Table.gone_from,
    ~_READ_ELSEWHERE,
)
_DUE = (
    select(
        Table.id,
        Table.email_id,
        Sighting.id.label("sighting_id"),
        Sighting.provider_id,
        Sighting.provider_thread,
        Table.part,
        Table.filename,
        Table.content_type,
        Table.state,
        Table.attempts,
        Email.logged_at,
        Table.copy,
    )
    .where(*_HERE, sql.held(Email), Email.id == Table.email_id)
    .where(Table.next_at <= bindparam("now"))
    .order_by(Table.next_at, Table.id)
    .limit(bindparam("most"))
)
_NEXT = select(func.min(Table.next_at)).where(*_HERE, Table.next_at.is_not(None))


def rows_of(
    mailbox_id: int, message: Message, settings: AccountSettings, now: datetime
) -> list[sql.Row]:
    """What to store of a new e-mail's files: which are to be read, and why the others are not."""
    copy = _copy(mailbox_id, message.headers.ref)
    return [
        {"copy": copy} | _row(file, rules.state(file, message.size, settings), now)
        for file in message.attachments
    ]


def _copy(mailbox_id: int, ref: Ref) -> str:
    return key(f"{mailbox_id} {ref.id}")


def _row(file: Attachment, state: FileState, now: datetime) -> sql.Row:
    times = {FileState.WAITING: now, FileState.PENDING: rules.next_look(now, 0)}
    return {
        "part": file.part,
        "filename": file.filename,
        "content_type": file.content_type,
        "size": file.size,
        "inline": file.inline,
        "content_id": file.content_id,
        "state": state.value,
        "next_at": times.get(state),
    }


def due(conn: Connection, mailbox: Mailbox, now: datetime, limit: int) -> list[Due]:
    """Files that are to be read now in this mailbox, longest due first."""
    values = {"account": mailbox.account_id, "mailbox": mailbox.id, "now": now, "most": limit}
    found = []
    for row in conn.execute(_DUE, values):
        ref = Ref(row.provider_id, row.provider_thread)
        copy = _copy(mailbox.id, ref)
        found.append(
            Due(
                id=row.id,
                account_id=mailbox.account_id,
                mailbox_id=mailbox.id,
                email_id=row.email_id,
                sighting_id=row.sighting_id,
                ref=ref,
                part=row.part,
                filename=row.filename,
                content_type=row.content_type,
                state=FileState(row.state),
                attempts=row.attempts,
                logged_at=row.logged_at,
                copy=copy,
                known=copy == row.copy,
            )
        )
    return found


def next_due(conn: Connection, mailbox: Mailbox) -> datetime | None:
    """When the next file of the mailbox is to be read; None where there is none."""
    return conn.scalar(_NEXT, {"account": mailbox.account_id, "mailbox": mailbox.id})


def keep(conn: Connection, due_file: Due, digest: str, size: int) -> None:
    """The bytes are kept under this digest; there are so many of them."""
    change(
        conn,
        due_file,
        {"state": FileState.STORED, "digest": digest, "size": size, "next_at": None},
    )


def end(conn: Connection, due_file: Due, state: FileState) -> int:
    """Nothing of it is kept, for good; how many files that concerns."""
    return change(conn, due_file, {"state": state, "digest": "", "next_at": None})


def end_one(conn: Connection, account_id: int, file_id: int) -> None:
    """Give up a file that is not read yet."""
    conn.execute(
        update(Table)
        .where(Table.account_id == account_id, Table.id == file_id, Table.state.in_(_UNREAD))
        .values({"state": FileState.UNAVAILABLE, "next_at": None})
    )


def later(conn: Connection, due_file: Due, next_at: datetime, counts: bool) -> None:
    """Read it at that time. `counts`: this was a try."""
    more = {"attempts": Table.attempts + 1} if counts else {}
    change(conn, due_file, {"next_at": next_at, **more})


def change(conn: Connection, due_file: Due, columns: sql.Row) -> int:
    """Set columns of a file that is still as it was; of a placeholder, all of its e-mail."""
    which = (
        Table.email_id == due_file.email_id
        if due_file.state is FileState.PENDING
        else Table.id == due_file.id
    )
    changed = conn.execute(
        update(Table)
        .where(Table.account_id == due_file.account_id, which, Table.state == due_file.state)
        .values(columns)
    )
    return changed.rowcount


def replace(
    conn: Connection, due_file: Due, message: Message, settings: AccountSettings, now: datetime
) -> None:
    """Put the files that a message has now in the place of those of its e-mail that are not read
    yet. What is settled of a file that it had before stays as it is."""
    account_id, email_id = due_file.account_id, due_file.email_id
    theirs = (Table.account_id == account_id, Table.email_id == email_id)
    gone_from = conn.scalar(select(func.max(Table.gone_from)).where(*theirs)) or 0
    conn.execute(delete(Table).where(*theirs, Table.state.in_(_UNREAD)))
    settled = {
        (row.filename, row.content_type, row.content_id): row.part
        for row in conn.execute(
            select(Table.filename, Table.content_type, Table.content_id, Table.part).where(*theirs)
        )
    }
    own = {"account_id": account_id, "email_id": email_id, "gone_from": gone_from}
    fresh = [
        own | row
        for row in rows_of(due_file.mailbox_id, message, settings, now)
        if (row["filename"], row["content_type"], row["content_id"]) not in settled
        and row["part"] not in settled.values()
    ]
    sql.add_missing(conn, Table, fresh)


def settled(conn: Connection, account_id: int, email_ids: Collection[int]) -> Counter[str]:
    """How many files of these new e-mails are settled already, by what became of them."""
    found: Counter[str] = Counter()
    for some in sql.chunks(email_ids):
        query = (
            select(Table.state, func.count())
            .where(Table.account_id == account_id, Table.email_id.in_(some))
            .where(Table.next_at.is_(None))
            .group_by(Table.state)
        )
        found.update({state: number for state, number in conn.execute(query)})  # noqa: C416
    return found


def of_emails(
    conn: Connection, account_id: int, email_ids: Collection[int]
) -> dict[int, list[FileRow]]:
    """The files of e-mails, by e-mail. Whether these may be seen is for the caller to know."""
    found: dict[int, list[FileRow]] = {}
    for some in sql.chunks(email_ids):
        query = select(*_ROW).where(Table.account_id == account_id, Table.email_id.in_(some))
        for row in conn.execute(query.order_by(Table.id)):
            found.setdefault(row.email_id, []).append(FileRow(**row._asdict()))
    return found


def file(conn: Connection, viewer: Viewer, email_id: int, file_id: int) -> FileRow | None:
    """One file of an e-mail; None where there is none that the viewer may see."""
    query = (
        select(*_ROW)
        .join(Email, Email.id == Table.email_id)
        .where(Table.account_id == viewer.account_id, visible(viewer))
        .where(Table.email_id == email_id, Table.id == file_id)
    )
    row = conn.execute(query).first()
    return FileRow(**row._asdict()) if row else None


def of_contact(
    conn: Connection, viewer: Viewer, contact_id: int, after: str = "", limit: int = 20
) -> Page[ContactFile]:
    """A page of the files of all e-mails on a contact's timeline, newest first; pictures within
    the text are left out. Raises paging.WrongCursor."""
    query = _of_contact(viewer, contact_id).limit(limit + 1)
    if after:
        query = query.where(paging.after(after, Email.sent_at, Table.id))
    found = conn.execute(query).all()
    names = _names(conn, viewer.account_id, [row.email_id for row in found])
    items = []
    for row in found:
        values = row._asdict()
        sender, subject, sent_at = (values.pop(each) for each in ("sender", "subject", "sent_at"))
        name = names.get(row.email_id, "")
        items.append(ContactFile(FileRow(**values), sender, name, subject, sent_at))
    return paging.page(items, limit, [paging.cursor(each.sent_at, each.file.id) for each in items])


def _of_contact(viewer: Viewer, contact_id: int) -> Select[*tuple[object, ...]]:
    return (
        select(*_ROW, Email.sender, Email.subject, Email.sent_at)
        .join(Email, Email.id == Table.email_id)
        .join(EmailContact, EmailContact.email_id == Email.id)
        .where(
            Table.account_id == viewer.account_id,
            EmailContact.account_id == viewer.account_id,
            EmailContact.contact_id == contact_id,
            visible(viewer),
            Table.inline.is_(False),
        )
        .order_by(Email.sent_at.desc(), Table.id.desc())
    )


def _names(conn: Connection, account_id: int, email_ids: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for some in sql.chunks(email_ids):
        query = select(EmailPerson.email_id, EmailPerson.name).where(
            EmailPerson.account_id == account_id,
            EmailPerson.email_id.in_(some),
            EmailPerson.role == "from",
        )
        found.update((email_id, name) for email_id, name in conn.execute(query))
    return found


def end_forsaken(conn: Connection) -> int:
    """Give up files, in any account, whose e-mail has no copy in a mailbox any more; how many."""
    copies = select(Sighting.id).where(Sighting.email_id == Table.email_id).exists()
    ended = conn.execute(
        update(Table)
        .where(Table.state.in_(_UNREAD), ~copies)
        .values({"state": FileState.UNAVAILABLE, "next_at": None})
        .execution_options(all_accounts="the sweep serves every account")
    )
    return ended.rowcount


def named(conn: Connection, account_id: int, digests: Collection[str]) -> set[str]:
    """Those of the digests under which a file of the account is kept."""
    found: set[str] = set()
    for some in sql.chunks(digests):
        query = select(Table.digest).where(Table.account_id == account_id, Table.digest.in_(some))
        found.update(conn.scalars(query))
    return found

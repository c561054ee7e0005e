"""Files read in another copy of their e-mail than the one that was logged.

What a part is called differs from copy to copy: the file is looked for by what it is (`found_again`).
Where a mailbox has it no more, the next one that has a copy is asked, and one that comes later.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, select, update

from crm.model import FileState, MailboxStatus, Message
from crm.store import files, sql
from crm.store.files import Due
from crm.tables import EmailAttachment, Mailbox, Sighting

_NOW: BindParameter[datetime] = bindparam("now")
_LATER_COPY = (
    select(Sighting.id)
    .where(
        sql.held(Sighting),
        Sighting.email_id == EmailAttachment.email_id,
        Sighting.id > EmailAttachment.gone_from,
    )
    .exists()
)
_AGAIN = (
    update(EmailAttachment)
    .where(
        sql.held(EmailAttachment),
        sql.among(EmailAttachment.email_id),
        EmailAttachment.state == FileState.UNAVAILABLE,
        EmailAttachment.gone_from > 0,
        _LATER_COPY,
    )
    .values(state=FileState.WAITING, next_at=_NOW, attempts=0)
)


def found_again(conn: Connection, due_file: Due, message: Message) -> bool:
    """Whether `message`, this mailbox's copy, has the file; what its part is called there is noted."""
    theirs = (
        EmailAttachment.account_id == due_file.account_id,
        EmailAttachment.email_id == due_file.email_id,
    )
    query = select(EmailAttachment.part).where(*theirs, EmailAttachment.copy == due_file.copy)
    taken = set(conn.scalars(query))
    like = (due_file.filename, due_file.content_type)
    for each in message.attachments:
        if each.part not in taken and (each.filename, each.content_type) == like:
            attempts = due_file.attempts + 1
            files.change(
                conn, due_file, {"part": each.part, "copy": due_file.copy, "attempts": attempts}
            )
            return True
    return False


def gone(conn: Connection, due_file: Due, now: datetime) -> set[int]:
    """The mailbox has a file no more. Gives the mailbox in which it is read next; none where no other
    has a copy of its e-mail, and the file is not available until one comes."""
    following = conn.scalar(
        select(Sighting.mailbox_id)
        .join(Mailbox, Mailbox.id == Sighting.mailbox_id)
        .where(
            Sighting.account_id == due_file.account_id,
            Mailbox.account_id == due_file.account_id,
            Sighting.email_id == due_file.email_id,
            Sighting.id > due_file.sighting_id,
            Mailbox.status == MailboxStatus.CONNECTED,
        )
        .order_by(Sighting.id)
        .limit(1)
    )
    known = {"gone_from": due_file.sighting_id}
    if following is not None:
        files.change(conn, due_file, known | {"next_at": now})
        return {following}
    ended: sql.Row = {"state": FileState.UNAVAILABLE, "next_at": None}
    # What stood behind a placeholder could not be told from it in another copy.
    remembered = known if due_file.state is FileState.WAITING else {}
    files.change(conn, due_file, ended | remembered)
    return set()


def read_again(
    conn: Connection, account_id: int, email_ids: Collection[int], now: datetime
) -> None:
    """These e-mails have more copies now: look there for files that the others had no more."""
    for some in sql.chunks(sorted(email_ids)):
        conn.execute(_AGAIN, {"account": account_id, "some": some, "now": now})

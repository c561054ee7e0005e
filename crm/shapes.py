"""Logged e-mails as programs are told of them: by the REST API and by events."""

from typing import Any

from crm.store.timeline import EmailRow


def email(row: EmailRow) -> dict[str, Any]:
    """A logged e-mail; `sender` is who wrote it, times are aware."""

    def addresses(role: str) -> list[str]:
        return [each.address for each in row.people if each.role == role]

    names = (each.name for each in row.people if each.role == "from")

    return {
        "id": row.id,
        "direction": row.direction,
        "subject": row.subject,
        "sender": row.sender,
        "from_name": next(names, ""),
        "to": addresses("to"),
        "cc": addresses("cc"),
        "sent_at": row.sent_at,
        "logged_at": row.logged_at,
        "kind": row.kind,
        "thread_id": row.thread_id,
        "message_id": row.message_id,
        "mailboxes": list(row.mailboxes),
        "rule": row.rule,
        "has_attachments": any(not each.inline for each in row.attachments),
        "snippet": row.snippet,
        "visibility": row.visibility,
    }

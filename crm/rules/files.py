"""What becomes of the files of a logged e-mail, and of a long body (part D of the rules)."""

from datetime import datetime, timedelta

from crm.model import AccountSettings, Attachment, Content, FileState
from crm.rules.rule import Effect, Part, Rule

MIB = 1024 * 1024
CUT = 100 * 1024  # bytes of a body that are shown at once
LOOKS = (timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=10))  # after logging


def state(file: Attachment, message_size: int, settings: AccountSettings) -> FileState:
    """What becomes of a file of a message of this size, before anything of it is read."""
    most = most_bytes(settings)
    if not settings.log_attachments:
        return FileState.OFF
    if file.content is Content.LINK:
        return FileState.LINK
    if message_size > most or file.size > most:
        return FileState.TOO_LARGE
    return FileState.PENDING if file.content is Content.SCANNED else FileState.WAITING


def most_bytes(settings: AccountSettings) -> int:
    """The largest message, and the largest file, of which files are kept."""
    return settings.attachment_limit * MIB


def next_look(logged_at: datetime, looks: int) -> datetime | None:
    """When to look again for a file that is being scanned, after so many looks; None: never."""
    return logged_at + LOOKS[looks] if looks < len(LOOKS) else None


def is_long(body: str) -> bool:
    """Whether a body is shown cut at first."""
    return len(body) > CUT or len(body.encode(errors="replace")) > CUT


def shown(body: str) -> str:
    """As much of a body as is shown at first."""
    return body.encode(errors="replace")[:CUT].decode(errors="ignore")


def _of_files(rule_id: str, title: str, happened: str, otherwise: str, remedy: str) -> Rule:
    return Rule(rule_id, Part.FILES, Effect.LIMITS, title, happened, happened, otherwise, remedy)


RULES = (
    _of_files(
        "attachments-off",
        "Attachments switched off",
        "The e-mail is logged without its files: this account keeps none.",
        "This account keeps attachments.",
        "An admin can switch attachments on in Settings; it counts for e-mails logged from then on.",
    ),
    _of_files(
        "too-large",
        "Too large to keep",
        "The whole e-mail or the file is larger than this account keeps; the e-mail is logged "
        "without it.",
        "Neither the e-mail nor the file is larger than this account keeps.",
        "Open the e-mail in the mailbox, or have the sender share the file in another way.",
    ),
    _of_files(
        "attachment-pending",
        "Being scanned",
        "Microsoft is still scanning the files of this e-mail; they are looked for again 2, 5 and "
        "10 minutes after it was logged.",
        "Its files are not being scanned.",
        "Nothing: the files appear by themselves.",
    ),
    _of_files(
        "attachment-unavailable",
        "File not available",
        "The file could not be had from the mailbox: it was still being scanned after 10 minutes, "
        "or was deleted, or could not be read for hours.",
        "The file could be read.",
        "Open the e-mail in the mailbox; where the file is there, forward the e-mail to the "
        "account's forwarding address.",
    ),
    _of_files(
        "view-entire",
        "Long body",
        "The body is longer than 100 KiB: it is kept whole and shown cut.",
        "The body is shown whole.",
        "Choose “View entire message”: it opens in another tab.",
    ),
)

"""The e-mail that is logged for a forward: its original, as far as it could be found."""

from crm.forwards.marks import Mark, first_mark
from crm.forwards.original import Forwarded
from crm.model import Headers, Message, Place
from crm.subjects import base_subject


def as_received(forward: Headers, found: Forwarded) -> Headers:
    """Headers of the original, as if it had come to the mailbox that has the forward.

    The forward's In-Reply-To, or the last of its References, is the id of what was forwarded, and
    the references before it are the original's own; whether that is so is for the caller to doubt.
    """
    message_id, references = found.message_id, found.references
    if not found.attached and _is_plain(forward, found):
        message_id = message_id or _named(forward)
        before = dict.fromkeys((*forward.references, *forward.in_reply_to))
        references = tuple(one for one in before if one != message_id)
    late = found.date is not None and found.date > (forward.sent_at or forward.received_at)
    return Headers(
        ref=forward.ref,
        place=Place.FOLLOWED,
        received_at=forward.received_at,
        sender=found.sender,
        message_id=message_id,
        references=references,
        subject=found.subject,
        sent_at=forward.sent_at if late else found.date,
        to=found.to,
        cc=found.cc,
        signs=found.signs,
    )


def whole(forward: Message, headers: Headers, found: Forwarded) -> Message:
    """The original with the files of the forward, under the numbers they have there."""
    return Message(headers, found.text, found.html, forward.attachments, forward.size)


def _is_plain(forward: Headers, found: Forwarded) -> bool:
    """Whether it was forwarded as mail programs do it, not pasted into another message."""
    same = base_subject(forward.subject) == base_subject(found.subject)
    return same and first_mark(forward.subject) is not Mark.REPLY


def _named(forward: Headers) -> str:
    """The one message that the forward names as what it was made from."""
    if forward.in_reply_to:
        return forward.in_reply_to[0] if len(forward.in_reply_to) == 1 else ""
    return forward.references[-1] if forward.references else ""

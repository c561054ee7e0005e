"""Rules about incoming messages of a personal mailbox. Each says whether it refuses."""

from crm.addresses import in_domains
from crm.kinds import kind
from crm.model import Context, Headers, Kind, MailboxKind, Place
from crm.rules.facts import concerns_contact, is_answered, is_listed, root_of
from crm.subjects import base_subject


def draft(headers: Headers, _: Context) -> bool:
    """Not sent yet."""
    return headers.place is Place.DRAFT


def junk(headers: Headers, _: Context) -> bool:
    """In the junk folder."""
    return headers.place is Place.JUNK


def trash(headers: Headers, _: Context) -> bool:
    """In the trash."""
    return headers.place is Place.TRASH


def folder(headers: Headers, _: Context) -> bool:
    """In a folder that is not followed."""
    return headers.place is Place.ELSEWHERE


def disconnected(headers: Headers, context: Context) -> bool:
    """Received while the mailbox was not connected."""
    return not any(period.covers(headers.received_at) for period in context.connected)


def automatic(headers: Headers, context: Context) -> bool:
    """Written by a machine, where the account does not want that (`skip_automatic`)."""
    return context.switches.skip_automatic and kind(headers) is not Kind.REPLY


def internal(headers: Headers, context: Context) -> bool:
    """Sender and every recipient belong to the account's own domains."""
    parties = (headers.sender, *headers.recipients)
    return not context.switches.log_internal and all(
        in_domains(one.address, context.account_domains) for one in parties
    )


def not_a_reply(headers: Headers, context: Context) -> bool:
    """Neither In-Reply-To nor References."""
    return not headers.answers and not _wanted(headers, context)


def unknown_thread(headers: Headers, context: Context) -> bool:
    """Answers nothing that is logged."""
    return root_of(headers, context) is None and not _wanted(headers, context)


def team_thread(headers: Headers, context: Context) -> bool:
    """Arrived in a personal mailbox, but a team mailbox began the thread."""
    root = root_of(headers, context)
    return root is not None and root.team and context.mailbox_kind is MailboxKind.PERSONAL


def not_owner(headers: Headers, context: Context) -> bool:
    """Arrived in the mailbox of a user who did not begin the thread."""
    root = root_of(headers, context)
    if root is None or root.team or context.switches.any_connected_user:
        return False
    return root.owner_id != context.user_id


def subject_changed(headers: Headers, context: Context) -> bool:
    """Its base subject is not the root's."""
    root = root_of(headers, context)
    if root is None or context.switches.subject_changes_allowed:
        return False
    return base_subject(headers.subject) != root.base_subject


def never_log(headers: Headers, context: Context) -> bool:
    """The sender is on a Never Log list, or every contact the root went to is."""
    if is_listed(headers.sender.address, context):
        return True
    root = root_of(headers, context)
    recipients = root.contact_recipients if root else frozenset()
    return bool(recipients) and all(is_listed(address, context) for address in recipients)


def unknown_sender(headers: Headers, context: Context) -> bool:
    """The sender is no contact."""
    if headers.sender.address in context.contacts or _known(headers, context):
        return False
    return not (context.switches.log_unknown_sender and root_of(headers, context))


def _wanted(headers: Headers, context: Context) -> bool:
    """Whether it comes in without being a reply to what is logged."""
    answered = context.switches.log_parent and is_answered(headers, context)
    return answered or _known(headers, context)


def _known(headers: Headers, context: Context) -> bool:
    return context.switches.log_all_known and concerns_contact(headers, context)

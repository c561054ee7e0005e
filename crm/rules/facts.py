"""What the rules ask about a message; each a pure function of message and context."""

from collections.abc import Iterator

from crm.addresses import in_domains, listed
from crm.model import Address, Context, Headers, Root
from crm.subjects import base_subject


def root_of(headers: Headers, context: Context) -> Root | None:
    """The thread it answers: by In-Reply-To, then References from the newest back."""
    return next((context.roots[one] for one in headers.answers if one in context.roots), None)


def is_own(address: str, context: Context) -> bool:
    """Whether an address belongs to the account: its domains, or this mailbox itself."""
    return address in context.own_addresses or in_domains(address, context.account_domains)


def visible_recipients(headers: Headers) -> tuple[Address, ...]:
    """To and Cc, each address once, in order."""
    found: dict[str, Address] = {}
    for one in (*headers.to, *headers.cc):
        found.setdefault(one.address, one)
    return tuple(found.values())


def contact_recipients(headers: Headers, context: Context) -> tuple[str, ...]:
    """Addresses among To and Cc that belong to a contact."""
    recipients = visible_recipients(headers)
    return tuple(one.address for one in recipients if one.address in context.contacts)


def is_listed(address: str, context: Context) -> bool:
    """Whether an address is on a Never Log list of the account or the user."""
    return listed(address, context.never_log)


def unlisted(addresses: tuple[str, ...], context: Context) -> Iterator[str]:
    """Those of `addresses` that are on no Never Log list."""
    return (address for address in addresses if not is_listed(address, context))


def is_answered(headers: Headers, context: Context) -> bool:
    """Whether the user ticked Log on an e-mail that answers this one under its subject (switch
    `log_parent`). An answer with another subject begins a conversation of its own."""
    subjects = context.answered.get(headers.message_id, frozenset())
    if context.switches.subject_changes_allowed:
        return bool(subjects)
    return base_subject(headers.subject) in subjects


def concerns_contact(headers: Headers, context: Context) -> bool:
    """Whether sender or a recipient is a contact (switch `log_all_known`)."""
    parties = (headers.sender, *headers.recipients)
    return any(one.address in context.contacts for one in parties)

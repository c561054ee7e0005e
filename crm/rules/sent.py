"""Rules about messages that a user has sent. Each says whether it lets the message in."""

from crm.model import Address, Context, Headers
from crm.rules.facts import (
    contact_recipients,
    is_listed,
    is_own,
    root_of,
    visible_recipients,
)


def sent_bcc(headers: Headers, context: Context) -> bool:
    """The account's BCC address is among its recipients."""
    return bool(context.bcc_address) and any(
        one.address == context.bcc_address for one in headers.recipients
    )


def sent_label(headers: Headers, context: Context) -> bool:
    """It carries the account's log label or category."""
    wanted = context.log_label.strip().casefold()
    return bool(wanted) and any(label.strip().casefold() == wanted for label in headers.labels)


def sent_known(headers: Headers, context: Context) -> bool:
    """A recipient is a contact, and the account logs all of those (`log_all_known`)."""
    return context.switches.log_all_known and bool(contact_recipients(headers, context))


def sent_in_thread(headers: Headers, context: Context) -> bool:
    """It answers a logged thread, and the account logs those (`log_own_replies`)."""
    return context.switches.log_own_replies and root_of(headers, context) is not None


def not_ticked(headers: Headers, context: Context) -> bool:
    """Nothing says that it is to be logged."""
    return not any(
        test(headers, context) for test in (sent_bcc, sent_label, sent_known, sent_in_thread)
    )


def all_listed(headers: Headers, context: Context) -> bool:
    """Every recipient (To, Cc) but colleagues is on a Never Log list (rule `never-log`)."""
    strangers = (one.address for one in new_contacts(headers, context))
    wanted = (*contact_recipients(headers, context), *strangers)
    return bool(wanted) and all(is_listed(address, context) for address in wanted)


def new_contacts(headers: Headers, context: Context) -> tuple[Address, ...]:
    """Recipients who are no contacts, but for colleagues; `sent-bcc` makes contacts of them."""
    return tuple(
        one
        for one in visible_recipients(headers)
        if one.address
        and one.address not in context.contacts
        and one.address != context.bcc_address
        and not is_own(one.address, context)
    )

"""Rules about messages that a user has sent. Each says whether it lets the message in."""

from crm.model import Address, Context, Headers, Verdict
from crm.rules.facts import (
    contact_recipients,
    is_listed,
    is_own,
    root_of,
    unlisted,
    visible_recipients,
)
from crm.rules.forwarded import forwarded


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
    signs = (forwarded, sent_bcc, sent_label, sent_known, sent_in_thread)
    return not any(test(headers, context) for test in signs)


def all_listed(headers: Headers, context: Context) -> bool:
    """Every recipient (To, Cc) but colleagues is on a Never Log list (rule `never-log`)."""
    if forwarded(headers, context):
        return False  # its recipients are not whom it is logged for
    return everybody_listed(headers, context)


def everybody_listed(headers: Headers, context: Context) -> bool:
    """The same, whether it is forwarded or not."""
    strangers = (one.address for one in new_contacts(headers, context))
    wanted = (*contact_recipients(headers, context), *strangers)
    return bool(wanted) and all(is_listed(address, context) for address in wanted)


def for_everybody(
    rule: str, headers: Headers, context: Context, owner_id: int | None = None
) -> Verdict:
    """The verdict where every recipient is or becomes a contact, but who is on a Never Log list."""
    if everybody_listed(headers, context):
        return Verdict(logged=False, rule="never-log")
    strangers = new_contacts(headers, context)
    create = tuple(one for one in strangers if not is_listed(one.address, context))
    known = unlisted(contact_recipients(headers, context), context)
    return Verdict(
        logged=True,
        rule=rule,
        root=root_of(headers, context),
        contacts=(*known, *(one.address for one in create)),
        create=create,
        owner_id=owner_id,
    )


def new_contacts(headers: Headers, context: Context) -> tuple[Address, ...]:
    """Recipients who are no contacts, but for colleagues; some rules make contacts of them."""
    ours = {context.bcc_address, context.forwarding_address, ""}
    return tuple(
        one
        for one in visible_recipients(headers)
        if one.address not in ours
        and one.address not in context.contacts
        and not is_own(one.address, context)
    )

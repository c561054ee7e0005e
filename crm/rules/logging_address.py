"""Rules about the account's logging address: what users send there is logged as theirs."""

from crm.authentication import authentic
from crm.model import Context, Headers, Original, Verdict
from crm.rules import sent
from crm.rules.facts import visible_recipients
from crm.rules.forwarded import FORWARDED


def not_authentic(headers: Headers, context: Context) -> bool:
    """The sender is no active user, or no trusted server says that the message is from them."""
    known = headers.sender.address in context.users
    return not known or not authentic(headers, context.trusted_authserv_ids)


def is_forward(headers: Headers, context: Context) -> bool:
    """The account's forwarding address stands in To or Cc."""
    address = context.forwarding_address
    return bool(address) and any(one.address == address for one in visible_recipients(headers))


def sent_bcc(headers: Headers, context: Context) -> bool:
    """The address got a copy: it was not forwarded to."""
    return not is_forward(headers, context)


def decide_authentic(headers: Headers, context: Context) -> Verdict:
    """The verdict on what a user sent there: a forward, or a copy of what they sent to others."""
    owner = context.users.get(headers.sender.address)
    if is_forward(headers, context):
        return Verdict(True, FORWARDED, owner_id=owner, original=Original.REQUIRED)
    return sent.for_everybody("sent-bcc", headers, context, owner)


def all_listed(headers: Headers, context: Context) -> bool:
    """Everybody whom the copy would be logged for is on a Never Log list."""
    return not is_forward(headers, context) and sent.everybody_listed(headers, context)

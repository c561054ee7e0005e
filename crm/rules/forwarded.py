"""Rules about messages that a user forwards to the account's forwarding address.

They are decided twice: by the forward's own headers, and, when its body was read, by what was
found of the original there (`crm.forwards`).
"""

from crm.model import Context, Headers, Verdict
from crm.rules.facts import contact_recipients, is_listed, is_own, root_of, unlisted

FORWARDED = "forwarded"
UNREADABLE = "forward-unreadable"


def forwarded(headers: Headers, context: Context) -> bool:
    """The account's forwarding address is among its recipients."""
    return bool(context.forwarding_address) and any(
        one.address == context.forwarding_address for one in headers.recipients
    )


def decide_original(headers: Headers, context: Context, first: Verdict) -> Verdict:
    """The verdict on the original, whose `headers` were found in a forward that `first` let in."""
    sender = headers.sender
    if _is_colleague(sender.address, context) and not context.switches.log_internal:
        return Verdict(logged=False, rule="internal")
    if is_listed(sender.address, context):
        return Verdict(logged=False, rule="never-log")
    others = (one for one in contact_recipients(headers, context) if one != sender.address)
    new = sender.address not in context.contacts and not _is_colleague(sender.address, context)
    return Verdict(
        logged=True,
        rule=FORWARDED,
        root=root_of(headers, context),
        contacts=(sender.address, *unlisted(tuple(others), context)),
        create=(sender,) if new else (),
        owner_id=first.owner_id,
    )


def _is_colleague(address: str, context: Context) -> bool:
    return is_own(address, context) or address in context.users

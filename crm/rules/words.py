"""The words about a decision: a rule's sentence with the values that decided."""

from collections.abc import Iterable, Mapping

from crm.kinds import kind
from crm.model import Context, Headers, Kind
from crm.rules.facts import root_of
from crm.rules.rule import Rule
from crm.subjects import base_subject

_MOST = 5  # addresses named in a sentence
_KINDS = {
    Kind.REPLY: "written by a person",
    Kind.AUTO_REPLY: "an automatic reply",
    Kind.BOUNCE: "a delivery report",
    Kind.CALENDAR: "a calendar message",
    Kind.LIST: "sent to a mailing list",
}


def told(rule: Rule, true: bool, headers: Headers, context: Context) -> str:
    """The sentence of `rule` about this message; it holds addresses and subjects: never log it."""
    template = rule.sentence if true else rule.otherwise
    return template.format_map(values(headers, context))


def values(headers: Headers, context: Context) -> Mapping[str, str]:
    """What a sentence may name."""
    root = root_of(headers, context)
    return {
        "sender": headers.sender.address or "(unknown)",
        "recipients": _listed(one.address for one in headers.recipients),
        "received": headers.received_at.strftime("%d %B %Y, %H:%M UTC"),
        "kind": _KINDS[kind(headers)],
        "subject": base_subject(headers.subject),
        "root_subject": root.base_subject if root else "",
        "answers": _counted(len(headers.answers)),
        "bcc": context.bcc_address or "(none)",
        "label": context.log_label,
        "forwarding": context.forwarding_address or "(none)",
    }


def _counted(number: int) -> str:
    return "1 earlier message" if number == 1 else f"{number or 'no'} earlier messages"


def _listed(addresses: Iterable[str]) -> str:
    found = [*addresses]
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return ", ".join(found[:_MOST]) + more or "(nobody)"

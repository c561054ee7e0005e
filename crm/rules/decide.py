"""The decision about one message of a personal mailbox, and its explanation."""

from dataclasses import replace

from crm.model import Address, Context, Headers, Place, Root, Verdict
from crm.rules import sent
from crm.rules.facts import contact_recipients, is_listed, root_of, unlisted
from crm.rules.registry import BY_ID, REPLY, RULES
from crm.rules.rule import Effect, Part
from crm.rules.words import told

_BY_PLACE = {
    Place.DRAFT: "draft",
    Place.JUNK: "junk",
    Place.TRASH: "trash",
    Place.ELSEWHERE: "folder",
}
_INCOMING = tuple(rule for rule in RULES if rule.part is Part.INCOMING and rule.test)
_SENT = tuple(rule for rule in RULES if rule.part is Part.SENT and rule.test)
_TICKS = tuple(rule for rule in _SENT if rule.effect is Effect.LOGS)
_SENT_NEVER_LOG = replace(BY_ID["never-log"], part=Part.SENT, test=sent.all_listed)


def refuse_by_place(place: Place) -> str | None:
    """The rule that refuses a message for where it lies, None where more must be known."""
    return _BY_PLACE.get(place)


def decide(headers: Headers, context: Context) -> Verdict:
    """Whether the message is logged, by which rule, in which thread and for whom. Never raises.

    What lies in Sent is outgoing, everything else incoming: a copy of one's own mail in the Inbox
    too.
    """
    if headers.place is Place.SENT:
        return _decide_sent(headers, context)
    return _decide_incoming(headers, context)


def explain(headers: Headers, context: Context) -> list[tuple[str, bool, str]]:
    """Every rule about this message in order: (rule id, passed, sentence in plain words).

    For a rule that refuses, passed means that it did not; for one that logs, that it did.
    """
    rules = (*_SENT, _SENT_NEVER_LOG) if headers.place is Place.SENT else _INCOMING
    lines = []
    for rule in rules:
        true = rule.test is not None and rule.test(headers, context)
        passed = true if rule.effect is Effect.LOGS else not true
        lines.append((rule.id, passed, told(rule, true, headers, context)))
    return lines


def _decide_incoming(headers: Headers, context: Context) -> Verdict:
    for rule in _INCOMING:
        if rule.test and rule.test(headers, context):
            return Verdict(logged=False, rule=rule.id)
    root = root_of(headers, context)
    return Verdict(
        logged=True,
        rule=REPLY,
        root=root,
        contacts=_incoming_contacts(headers, context, root),
    )


def _incoming_contacts(headers: Headers, context: Context, root: Root | None) -> tuple[str, ...]:
    """Sender, To and Cc; for a stranger (`log_unknown_sender`) the root's recipients as well."""
    addresses = [*contact_recipients(headers, context)]
    if headers.sender.address in context.contacts:
        addresses.insert(0, headers.sender.address)
    elif root is not None and context.switches.log_unknown_sender:
        addresses += sorted(root.contact_recipients)
    return tuple(dict.fromkeys(unlisted(tuple(addresses), context)))


def _decide_sent(headers: Headers, context: Context) -> Verdict:
    ticked = next((rule.id for rule in _TICKS if rule.test and rule.test(headers, context)), None)
    if ticked is None:
        return Verdict(logged=False, rule="not-ticked")
    if sent.all_listed(headers, context):
        return Verdict(logged=False, rule="never-log")
    return _logged(ticked, headers, context)


def _logged(rule: str, headers: Headers, context: Context) -> Verdict:
    create: tuple[Address, ...] = ()
    if rule == "sent-bcc":
        strangers = sent.new_contacts(headers, context)
        create = tuple(one for one in strangers if not is_listed(one.address, context))
    known = unlisted(contact_recipients(headers, context), context)
    return Verdict(
        logged=True,
        rule=rule,
        root=root_of(headers, context),
        contacts=(*known, *(one.address for one in create)),
        create=create,
    )

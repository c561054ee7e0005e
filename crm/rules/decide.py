"""The decision about one message, by the kind of its mailbox, and its explanation."""

from dataclasses import replace

from crm.model import Context, Headers, MailboxKind, Original, Place, Root, Verdict
from crm.rules import logging_address, sent, team
from crm.rules.facts import contact_recipients, root_of, unlisted
from crm.rules.forwarded import FORWARDED, forwarded
from crm.rules.registry import BY_ID, REPLY, RULES
from crm.rules.rule import Effect, Part, Rule
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
_UNSENT = tuple(BY_ID[rule] for rule in ("draft", "junk", "trash"))
_TEAM = (*_UNSENT, BY_ID["denied"], BY_ID["team"])
_LOGGING = (*_UNSENT, BY_ID["folder"], BY_ID["disconnected"], BY_ID["not-authentic"])
_NEVER_LOG = replace(BY_ID["never-log"], part=Part.SENT)
_NOT_FROM_HERE = replace(
    BY_ID["not-ticked"],
    sentence="It was sent from the logging address, where only what arrives is logged.",
    test=lambda _headers, _context: True,
)
_ARRIVED_COPY = replace(
    BY_ID["sent-bcc"],
    sentence="The user {sender} sent a copy of it to the logging address.",
    otherwise="It was forwarded to the forwarding address.",
    test=logging_address.sent_bcc,
)
# What `explain` goes through, by the mailbox's kind and whether the message was sent from it.
_EXPLAINED: dict[tuple[MailboxKind, bool], tuple[Rule, ...]] = {
    (MailboxKind.PERSONAL, False): _INCOMING,
    (MailboxKind.PERSONAL, True): (*_SENT, replace(_NEVER_LOG, test=sent.all_listed)),
    (MailboxKind.TEAM, False): _TEAM,
    (MailboxKind.TEAM, True): (
        BY_ID[FORWARDED],
        replace(_NEVER_LOG, test=sent.all_listed),
        BY_ID["team"],
    ),
    (MailboxKind.LOGGING, False): (
        *_LOGGING,
        replace(BY_ID[FORWARDED], test=logging_address.is_forward),
        replace(_NEVER_LOG, test=logging_address.all_listed),
        _ARRIVED_COPY,
    ),
    (MailboxKind.LOGGING, True): (_NOT_FROM_HERE,),
}


def refuse_by_place(place: Place, kind: MailboxKind = MailboxKind.PERSONAL) -> str | None:
    """The rule that refuses a message for where it lies, None where more must be known. What comes
    to a team is looked at in every folder."""
    if kind is MailboxKind.TEAM and place is Place.ELSEWHERE:
        return None
    return _BY_PLACE.get(place)


def decide(headers: Headers, context: Context) -> Verdict:
    """Whether the message is logged, by which rule, in which thread and for whom. Never raises.

    What lies in Sent is outgoing, everything else incoming: a copy of one's own mail in the Inbox
    too. Where the verdict has `original`, it is made anew when the body was read.
    """
    match context.mailbox_kind, headers.place is Place.SENT:
        case MailboxKind.PERSONAL, True:
            return _decide_sent(headers, context)
        case MailboxKind.PERSONAL, False:
            return _refused(_INCOMING, headers, context) or _reply(headers, context)
        case MailboxKind.TEAM, True:
            return _decide_sent_by_team(headers, context)
        case MailboxKind.TEAM, False:
            return _refused(_TEAM, headers, context) or team.decide_arrived(headers, context)
        case MailboxKind.LOGGING, True:
            return Verdict(logged=False, rule=_NOT_FROM_HERE.id)
        case _:
            refused = _refused(_LOGGING, headers, context)
            return refused or logging_address.decide_authentic(headers, context)


def explain(headers: Headers, context: Context) -> list[tuple[str, bool, str]]:
    """Every rule about this message in order: (rule id, passed, sentence in plain words).

    For a rule that refuses, passed means that it did not; for one that logs, that it did.
    """
    lines = []
    for rule in _EXPLAINED[context.mailbox_kind, headers.place is Place.SENT]:
        true = rule.test is not None and rule.test(headers, context)
        passed = true if rule.effect is Effect.LOGS else not true
        lines.append((rule.id, passed, told(rule, true, headers, context)))
    return lines


def _refused(rules: tuple[Rule, ...], headers: Headers, context: Context) -> Verdict | None:
    """The verdict of the first of `rules` that refuses."""
    for rule in rules:
        if rule.effect is Effect.REFUSES and rule.test and rule.test(headers, context):
            return Verdict(logged=False, rule=rule.id)
    return None


def _reply(headers: Headers, context: Context) -> Verdict:
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
    if ticked == FORWARDED:
        return Verdict(logged=True, rule=FORWARDED, original=Original.REQUIRED)
    if ticked == "sent-bcc":
        return sent.for_everybody(ticked, headers, context)
    if sent.all_listed(headers, context):
        return Verdict(logged=False, rule="never-log")
    known = unlisted(contact_recipients(headers, context), context)
    root = root_of(headers, context)
    return Verdict(logged=True, rule=ticked, root=root, contacts=tuple(known))


def _decide_sent_by_team(headers: Headers, context: Context) -> Verdict:
    """Every recipient is a contact, or becomes one; the list that counts is the account's alone."""
    if forwarded(headers, context):
        return Verdict(logged=True, rule=FORWARDED, original=Original.REQUIRED)
    return sent.for_everybody("team", headers, context)

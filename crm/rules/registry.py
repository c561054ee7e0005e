"""All rules in their order, with the words that the journal, the pages and the manual use."""

from crm.rules import files, forwarded, incoming, logging_address, sent, team
from crm.rules.rule import Effect, Part, Rule, Test

REPLY = "reply"


def _refusal(
    test: Test,
    title: str,
    *,
    summary: str,
    told: tuple[str, str],
    remedy: str,
    switches: tuple[str, ...] = (),
) -> Rule:
    rule_id = test.__name__.replace("_", "-")
    part, effect = Part.INCOMING, Effect.REFUSES
    return Rule(rule_id, part, effect, title, summary, *told, remedy, switches, test)


def _admission(
    test: Test,
    title: str,
    *,
    summary: str,
    told: tuple[str, str],
    remedy: str,
    switches: tuple[str, ...] = (),
) -> Rule:
    rule_id = test.__name__.replace("_", "-")
    return Rule(rule_id, Part.SENT, Effect.LOGS, title, summary, *told, remedy, switches, test)


_INCOMING = (
    _refusal(
        incoming.draft,
        "Not sent yet",
        summary="It is a draft, a chat, or waits to be sent.",
        told=("It is a draft, a chat, or waits to be sent.", "It is a message that was sent."),
        remedy="Nothing: once it is sent it is looked at again.",
    ),
    _refusal(
        incoming.junk,
        "Junk",
        summary="It lies in the junk folder.",
        told=("It lies in the junk folder.", "It does not lie in the junk folder."),
        remedy="Mark it as not junk; it is then looked at again.",
    ),
    _refusal(
        incoming.trash,
        "Trash",
        summary="It lies in the trash, or was deleted before it could be read.",
        told=(
            "It lies in the trash, or was deleted before it could be read.",
            "It does not lie in the trash.",
        ),
        remedy="Move it back to the Inbox; it is then looked at again.",
    ),
    _refusal(
        incoming.folder,
        "Folder not followed",
        summary="It lies in a folder that is not followed.",
        told=(
            "It lies in a folder that is not followed.",
            "It lies in a place that is followed.",
        ),
        remedy="Move it to the Inbox, or let an enabled inbox rule of yours move such mail there: "
        "its folder is then followed.",
    ),
    _refusal(
        incoming.disconnected,
        "Mailbox not connected",
        summary="It arrived while the mailbox was not connected.",
        told=(
            "It arrived on {received}, while the mailbox was not connected.",
            "It arrived on {received}, while the mailbox was connected.",
        ),
        remedy="Forward it to log it now. After connecting again, the mailbox's owner is asked "
        "whether what arrived meanwhile is to be read.",
    ),
    _refusal(
        incoming.automatic,
        "Written by a machine",
        summary="It is an automatic reply, a delivery report, a calendar message or list mail.",
        told=(
            "It is {kind}, and this account does not log those.",
            "It is {kind}; this account does not refuse it for that.",
        ),
        remedy="Nothing: this account leaves such mail out.",
        switches=("skip_automatic",),
    ),
    _refusal(
        incoming.internal,
        "Among colleagues",
        summary="Sender and every recipient belong to the company itself.",
        told=(
            "The sender {sender} and every recipient ({recipients}) belong to the company itself.",
            "Not only the company's own people take part.",
        ),
        remedy="If one of them is no colleague, an admin can correct the list of your own domains "
        "in Settings.",
        switches=("log_internal",),
    ),
    _refusal(
        incoming.not_a_reply,
        "Not a reply",
        summary="It answers no e-mail: it has neither In-Reply-To nor References.",
        told=(
            "It answers no e-mail: it has neither In-Reply-To nor References.",
            "It refers to {answers}, or is logged without.",
        ),
        remedy="Forward it to log it. Or answer it and tick Log: the thread is logged from your "
        "answer on.",
        switches=("log_all_known", "log_parent", "subject_changes_allowed"),
    ),
    _refusal(
        incoming.unknown_thread,
        "Unknown thread",
        summary="It answers an e-mail that is not logged.",
        told=(
            "It refers to {answers}, of which none is a logged e-mail.",
            "It belongs to a logged thread, or is logged without.",
        ),
        remedy="Tick Log (label or BCC address) on the e-mail it answers: within 30 days the "
        "reply follows by itself. Or forward it to log it.",
        switches=("log_all_known", "log_parent", "subject_changes_allowed"),
    ),
    _refusal(
        incoming.team_thread,
        "Thread of a team mailbox",
        summary="A team mailbox began the thread; a personal mailbox cannot take it over.",
        told=(
            "A team mailbox began the thread; a personal mailbox cannot take it over.",
            "No team mailbox began the thread.",
        ),
        remedy="Forward it to log it, or ask the contact to answer to the team's address.",
    ),
    _refusal(
        incoming.not_owner,
        "Another user's thread",
        summary="It did not arrive in a mailbox of the user who began the thread.",
        told=(
            "It did not arrive in a mailbox of the user who began the thread.",
            "The thread was begun by this mailbox's user, or any user's mailbox will do.",
        ),
        remedy="Forward it to log it, or ask the sender to write to the colleague who began the "
        "thread as well.",
        switches=("any_connected_user",),
    ),
    _refusal(
        incoming.subject_changed,
        "Subject changed",
        summary="Its subject is not that of the thread.",
        told=(
            "Its subject “{subject}” is not the thread's subject “{root_subject}”.",
            "Its subject “{subject}” is the thread's, or need not be.",
        ),
        remedy="Forward it to log it. Or answer it and tick Log: a new thread begins with your "
        "answer.",
        switches=("subject_changes_allowed",),
    ),
    _refusal(
        incoming.never_log,
        "Never Log",
        summary="The sender, or every contact the thread was sent to, is on a Never Log list.",
        told=(
            "The sender {sender}, or every contact it would be logged for, is on a Never Log list.",
            "Neither the sender {sender} nor all contacts of the thread are on a Never Log list.",
        ),
        remedy="Remove the entry from your Never Log list, or ask an admin about the account's.",
    ),
    _refusal(
        incoming.unknown_sender,
        "Unknown sender",
        summary="The sender's address belongs to no contact.",
        told=(
            "The address {sender} belongs to no contact.",
            "The address {sender} belongs to a contact, or need not.",
        ),
        remedy="Add the address to the contact it belongs to, or add a contact: replies refused "
        "for this are then logged.",
        switches=("log_unknown_sender", "log_all_known"),
    ),
    Rule(
        REPLY,
        Part.INCOMING,
        Effect.LOGS,
        "Logged reply",
        "It passed every rule about incoming mail.",
        "It passed every rule about incoming mail.",
        "It did not pass every rule about incoming mail.",
        "Nothing to do.",
    ),
)

_SENT = (
    Rule(
        "sent-crm",
        Part.SENT,
        Effect.LOGS,
        "Sent from here",
        "It was sent by this service and logged at sending.",
        "It was sent by this service and logged at sending.",
        "It was not sent by this service.",
        "Nothing to do.",
    ),
    _admission(
        forwarded.forwarded,
        "Forwarded to be logged",
        summary="A user forwarded it to the account's forwarding address.",
        told=(
            "The forwarding address {forwarding} is among its recipients: its original is logged.",
            "The forwarding address {forwarding} is not among its recipients.",
        ),
        remedy="Nothing to do. Leave the forwarding address out when an e-mail is not to be logged.",
    ),
    Rule(
        forwarded.UNREADABLE,
        Part.SENT,
        Effect.REFUSES,
        "Forward not readable",
        "Who wrote the e-mail that was forwarded cannot be found in it for sure.",
        "Who wrote the e-mail that was forwarded cannot be found in it for sure.",
        "Who wrote the e-mail that was forwarded was found in it.",
        "Forward it again as an attachment, or as your mail program does it, with the sender's "
        "address in the text and the lines above it unchanged.",
    ),
    _admission(
        sent.sent_bcc,
        "BCC address",
        summary="The account's BCC address is among its recipients.",
        told=(
            "The BCC address {bcc} is among its recipients.",
            "The BCC address {bcc} is not among its recipients.",
        ),
        remedy="Nothing to do. Leave the BCC address out when an e-mail is not to be logged.",
    ),
    _admission(
        sent.sent_label,
        "Log label",
        summary="It carries the account's log label or category.",
        told=("It carries the label “{label}”.", "It does not carry the label “{label}”."),
        remedy="Nothing to do. Do not label what is not to be logged.",
    ),
    _admission(
        sent.sent_known,
        "Sent to a contact",
        summary="A recipient is a contact, and the account logs all mail with contacts.",
        told=(
            "A recipient ({recipients}) is a contact, and all mail with contacts is logged.",
            "No recipient is a contact, or mail is not logged for that alone.",
        ),
        remedy="Nothing to do: this account logs all mail with contacts.",
        switches=("log_all_known",),
    ),
    _admission(
        sent.sent_in_thread,
        "Own reply in a thread",
        summary="It answers a logged thread, and the account logs users' own replies.",
        told=(
            "It answers a logged thread, and users' own replies are logged.",
            "It answers no logged thread, or own replies are not logged for that alone.",
        ),
        remedy="Nothing to do: this account logs its people's own replies.",
        switches=("log_own_replies",),
    ),
    Rule(
        "not-ticked",
        Part.SENT,
        Effect.REFUSES,
        "Log not ticked",
        "Nothing says that this sent e-mail is to be logged; replies to it are not logged either.",
        "It has neither the BCC address {bcc} nor the label “{label}”.",
        "Something says that it is to be logged.",
        "Put the log label on it (this works later too), or use the BCC address next time.",
        ("log_all_known", "log_own_replies"),
        sent.not_ticked,
    ),
)

_ELSEWHERE = (
    Rule(
        "not-authentic",
        Part.LOGGING,
        Effect.REFUSES,
        "Not from a user for sure",
        "It came to the logging address, but not from an active user for sure.",
        "{sender} is no active user's address, or no trusted mail server says that DMARC passed for "
        "it.",
        "{sender} is a user's address, and a trusted mail server says that DMARC passed for it.",
        "Send it from the address you sign in with or from a connected mailbox of yours. If you did, "
        "ask an admin which mail servers are trusted in Settings.",
        (),
        logging_address.not_authentic,
    ),
    Rule(
        "denied",
        Part.TEAM,
        Effect.REFUSES,
        "Denied",
        "The sender is on the team mailboxes' list of denied senders.",
        "The sender {sender} is on the list of denied senders, and not on that of allowed ones.",
        "The sender {sender} is not denied.",
        "An admin can take the sender off the list of denied senders, or put them on that of allowed "
        "ones, in Settings.",
        (),
        team.denied,
    ),
    Rule(
        "team",
        Part.TEAM,
        Effect.LOGS,
        "Team mailbox",
        "It came to a team's mailbox, or was sent from it.",
        "It came to a team's mailbox, or was sent from it.",
        "It did not come to a team's mailbox.",
        "Nothing to do.",
        (),
        team.team,
    ),
)

_COPIES = (
    Rule(
        "duplicate",
        Part.COPY,
        Effect.JOINS,
        "Logged already",
        "The same e-mail was logged from another mailbox; this copy was added to it.",
        "The same e-mail was logged from another mailbox; this copy was added to it.",
        "No other copy of it was logged.",
        "Nothing to do.",
    ),
)

RULES: tuple[Rule, ...] = (*_INCOMING, *_SENT, *_ELSEWHERE, *_COPIES, *files.RULES)
BY_ID: dict[str, Rule] = {rule.id: rule for rule in RULES}
BY_THREAD = frozenset(  # decided by what a message answers: another verdict where that is another
    {rule.id for rule in _INCOMING[_INCOMING.index(BY_ID["unknown-thread"]) :]}
    | {REPLY, "sent-in-thread", "not-ticked"}
)

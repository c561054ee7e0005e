"""The journal's rows in words: one sentence with the values a row may hold, and what can be done.

Of a refused message a row knows its sender and its time; where it answers a logged thread, that
thread may be named as well. Pure: `crm.journal_lines` brings the values.
"""

from collections.abc import Callable

from crm.journal_actions import AGAIN, GIVE_UP, actions, reconnect
from crm.journal_model import PROVIDERS, About, Words
from crm.model import MailboxStatus, VerdictKind
from crm.rules.registry import BY_ID
from crm.store.again import FATAL
from crm.store.waiting import Waiting

LONGEST_SUBJECT = 80
_FATAL = "This message made replylog stop three times."
_AGAIN_BECAUSE = {  # reasons of crm.store.again
    "late-root": "the e-mail it answers was logged",
    "new-address": "its sender, or whom it went to, became a contact",
    "duplicate": "another copy of it was logged",
    "answered": "a ticked e-mail answers it",
    "overtaken": "something it depends on was logged at the same time",
    "setting": "a setting was changed, or somebody asked for it",
}
_OF_LOGGED = {
    "duplicate": " (one more copy)",
    "forwarded": " (you forwarded it to be logged)",
    "forward-unreadable": " (whoever forwarded it: who wrote it first was not found)",
}
_VERDICTS = {
    VerdictKind.LOGGED: "logged",
    VerdictKind.REFUSED: "not logged",
    VerdictKind.PENDING: "waiting",
}


def words(about: About) -> Words:
    """The words about one row."""
    verdict = VerdictKind(about.entry.verdict)
    if verdict is VerdictKind.PENDING:
        return _pending(about)
    stuck = about.waiting if about.waiting and about.waiting.next_at is None else None
    if verdict is VerdictKind.LOGGED:
        where = _where(about)
        return _given_up(f"{where}.", stuck) if stuck else Words(_VERDICTS[verdict], where)
    sentence, remedy = _REFUSALS.get(about.entry.rule, _unreadable)(about)
    if stuck:
        return _given_up(sentence, stuck)
    if about.again:
        return Words("looking again", sentence)
    return Words(_VERDICTS[verdict], sentence, remedy, actions(about))


def _where(about: About) -> str:
    """Where a logged message stands, as "→ Joe Smith · Offer 12"."""
    stands = about.stands
    if stands is None:
        return "It stands on a timeline that you may not see."
    names = ", ".join(each.name for each in stands.contacts) or "on nobody's timeline yet"
    sentence = f"→ {names} · {_cut(stands.subject) or 'no subject'}"
    return sentence + _OF_LOGGED.get(about.entry.rule, "")


def _pending(about: About) -> Words:
    waiting = about.waiting
    if waiting is None:
        return Words("waiting", "It is being read.")
    if waiting.next_at is None:
        return _given_up("", waiting)
    if about.mailbox.status is not MailboxStatus.CONNECTED:
        return Words("waiting", _yet(waiting), "", (reconnect(about.mailbox),))
    return Words("waiting", _yet(waiting), "Nothing to do: it is tried again by itself.", (AGAIN,))


def _yet(waiting: Waiting) -> str:
    if waiting.reason == FATAL:
        return f"{_FATAL} It is tried once more."
    what = (
        "It is not in the mailbox yet" if waiting.reason == "gone" else "It could not be read yet"
    )
    return f"{what}: tried {_tries(waiting)}."


def _given_up(before: str, waiting: Waiting) -> Words:
    """A message that nobody will try again by himself; `before` is what was known of it."""
    if waiting.reason == FATAL:
        sentence, remedy = _FATAL, "It is left alone. Try again, or give it up."
    else:
        why = _AGAIN_BECAUSE.get(waiting.reason)
        failed = f"could not be read, though it was tried {_tries(waiting)}."
        sentence = f"It was to be judged again: {why}. It {failed}" if why else f"It {failed}"
        remedy = "Try again, or give it up."
    return Words("given up", f"{before} {sentence}".strip(), remedy, (AGAIN, GIVE_UP))


def _tries(waiting: Waiting) -> str:
    return "once" if waiting.attempts == 1 else f"{waiting.attempts} times"


def _thread(about: About) -> str:
    """The thread it answers, as far as it may be named."""
    if about.thread is None or not about.thread.subject:
        return "a logged e-mail"
    owner = f", a thread that {about.thread.owner} began" if about.thread.owner else ""
    return f"“{_cut(about.thread.subject)}”{owner}"


def _provider(about: About) -> str:
    return PROVIDERS.get(about.mailbox.provider, "your mail program")


Told = tuple[str, str]  # a sentence, and what to do


def _junk(about: About) -> Told:
    where = _provider(about)
    return (
        _lies("It lies in the junk folder.", about),
        f"Is it no junk? Mark it so in {where}, and it is looked at again.",
    )


def _lies(where: str, about: About) -> str:
    """Where it lies; the thread that is missing a reply by it comes first."""
    return f"It answers {_thread(about)}. {where}" if about.thread else where


def _trash(about: About) -> Told:
    return (
        _lies("It lies in the trash, or was deleted before it could be read.", about),
        f"Do you still need it? Move it back to the Inbox in {_provider(about)}, and it is looked at "
        "again.",
    )


def _folder(about: About) -> Told:
    return (
        _lies("It lies in a folder that is not followed.", about),
        "Move it to the Inbox, or let an inbox rule move such mail there: the folder of a rule is "
        "followed.",
    )


def _disconnected(about: About) -> Told:
    when = about.entry.received_at
    on = f" on {when.day} {when:%B %Y, %H:%M} UTC" if when else ""
    return (
        f"It arrived{on}, while {about.mailbox.address} was not connected.",
        "Forward it, and it is logged. After connecting again, the mailbox's card asks whether to "
        "read all that arrived meanwhile.",
    )


def _automatic(_: About) -> Told:
    return (
        "A machine wrote it, and your company leaves such mail out.",
        "Automatic replies, delivery reports, calendar messages and lists are meant. An admin can "
        "let them in.",
    )


def _internal(about: About) -> Told:
    return (
        f"{about.who} and everybody it went to belong to your own company.",
        "Is one of them no colleague? An admin can correct your company's domains in Settings.",
    )


def _not_a_reply(about: About) -> Told:
    return (
        f"It is a new e-mail from {about.who}, not an answer.",
        "Forward it to log it. Or answer it with Log ticked: the conversation is logged from your "
        "answer on.",
    )


def _unknown_thread(_: About) -> Told:
    return (
        "It answers none of your logged e-mails.",
        "Forward it to log it. Or tick Log on the e-mail it answers: within 30 days the answer "
        "follows by itself.",
    )


def _team_thread(about: About) -> Told:
    return (
        f"It answers {_thread(about)}. That belongs to a team, and came to your own address.",
        f"Forward it to log it, or ask {about.who} to write to the team's address.",
    )


def _not_owner(about: About) -> Told:
    owner = about.thread.owner if about.thread and about.thread.owner else "a colleague"
    return (
        f"It answers {_thread(about)}, but came to your mailbox, not to that of {owner}.",
        f"Forward it to log it, or ask {about.who} to write to {owner} as well.",
    )


def _subject_changed(about: About) -> Told:
    return (
        f"{about.who} changed the subject of {_thread(about)}.",
        "Forward it to log it. Or answer it with Log ticked: a new thread begins with your answer.",
    )


def _never_log(about: About) -> Told:
    if not about.listed:
        return (
            "A Never Log list kept it out. Nobody in it is listed any more.",
            "Look at it again, and it may be logged.",
        )
    entries = ", ".join(
        f"{each.entry} ({'your own list' if each.own else 'the list of your company'})"
        for each in about.listed
    )
    may = about.is_admin or any(each.own for each in about.listed)
    return (
        f"It is kept out by the Never Log list: {entries}.",
        "" if may else "An admin can take the entry off the company's list.",
    )


def _unknown_sender(about: About) -> Told:
    if about.sender is not None:
        return (
            f"{about.who} was no contact of yours then.",
            "Look at it again: it may be logged now.",
        )
    thread = f" It answers {_thread(about)}." if about.thread else ""
    return (f"{about.who} is not a contact of yours.{thread}", "")


def _not_ticked(about: About) -> Told:
    settings = about.settings
    label = f"the label “{settings.log_label}”"
    bcc = f" and without {settings.bcc_address} in Bcc" if settings.bcc_address else ""
    return (
        f"You sent it without {label}{bcc}.",
        "Set the label on it now: it is then logged, and answers to it as well.",
    )


def _draft(_: About) -> Told:
    return (
        "It is a draft, a chat, or waits to be sent.",
        "Nothing to do: once sent, it is looked at.",
    )


def _unreadable(about: About) -> Told:
    rule = BY_ID.get(about.entry.rule)
    if rule is not None:
        return rule.summary, rule.remedy
    return "It could not be read, and was given up.", "Forward it to log it, or try again."


def _fatal(_: About) -> Told:
    return f"{_FATAL} It was given up.", "Forward it to log it, or try again."


def _gone(_: About) -> Told:
    return (
        "It was announced, but could not be found in the mailbox, and was given up.",
        "Is it still there? Try again.",
    )


def _unclear_forward(_: About) -> Told:
    rule = BY_ID["forward-unreadable"]
    return rule.summary, rule.remedy


def _not_authentic(about: About) -> Told:
    sentence = f"{about.who} is no active user's address, or no trusted mail server vouches for it."
    return sentence, BY_ID["not-authentic"].remedy


def _denied(about: About) -> Told:
    return f"{about.who} is on the list of senders whom teams deny.", BY_ID["denied"].remedy


_REFUSALS: dict[str, Callable[[About], Told]] = {
    "draft": _draft,
    "junk": _junk,
    "trash": _trash,
    "folder": _folder,
    "disconnected": _disconnected,
    "automatic": _automatic,
    "internal": _internal,
    "not-a-reply": _not_a_reply,
    "unknown-thread": _unknown_thread,
    "team-thread": _team_thread,
    "not-owner": _not_owner,
    "subject-changed": _subject_changed,
    "never-log": _never_log,
    "unknown-sender": _unknown_sender,
    "not-ticked": _not_ticked,
    "forward-unreadable": _unclear_forward,
    "not-authentic": _not_authentic,
    "denied": _denied,
    FATAL: _fatal,
    "gone": _gone,
}


def _cut(subject: str) -> str:
    return subject if len(subject) <= LONGEST_SUBJECT else subject[: LONGEST_SUBJECT - 1] + "…"

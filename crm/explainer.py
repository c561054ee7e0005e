"""What would become of a message, and why, from its headers alone. Nothing is stored.

`explain_text` takes anything people paste (`crm.pasted`) and answers with every rule in order. It
only reads, and hands back nothing but the words for this one answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from crm import pasted
from crm.headers import read_date, read_headers
from crm.model import Context, Headers, Original, Place, Ref, Verdict, VerdictKind
from crm.pasted import Pasted, read_pasted
from crm.rules.decide import decide, explain
from crm.rules.registry import BY_ID
from crm.store import accounts, contacts, journal
from crm.store.context import load_context, logged_already
from crm.store.mailbox_rows import Mailbox
from infra.secrets import Secrets

UNCLEAR = "unclear"  # nothing in the text is a header that the rules look at
_MOST_NAMES = 5
_MENDED = {
    pasted.QUOTED: "The quotation marks in front of the lines were taken off.",
    pasted.NUMBERED: "The line numbers were taken off.",
    pasted.WEB_PAGE: "It was copied from a web page; only the headers in it were used.",
    pasted.ENCODED: "It was encoded in base64 and was decoded first.",
    pasted.ONE_LINE: "The headers ran together in one line and were taken apart.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What one rule says; `passed` False for the ones that stand in the way."""

    id: str
    title: str
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Value:
    """Something the headers say that the rules look at."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`verdict` is "logged", "refused" or "unclear"; it is what the rules would say now. `actual`
    says in words what the journal has for the same message, '' where it has nothing."""

    verdict: str
    rule: str
    headline: str
    remedy: str = ""
    rules: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()
    understood: tuple[Value, ...] = field(default=())
    actual: str = ""
    email_id: int | None = None


def explain_text(
    conn: Connection, mailbox: Mailbox, text: str | bytes, now: datetime, secrets: Secrets
) -> Explanation:
    """What would become of the pasted message in this mailbox. Writes nothing, never raises for any
    text; the caller has seen to it that the mailbox is the asking person's own."""
    found = read_pasted(text)
    headers = _headers(found, mailbox, now)
    if not (found.fields and (headers.sender.address or headers.message_id or headers.answers)):
        return Explanation(UNCLEAR, "", NOTHING_FOUND, HOW_TO_COPY)
    context = load_context(conn, mailbox, [headers]).of(headers)
    verdict = decide(headers, context)
    email_id = logged_already(conn, mailbox, [headers]).get(headers.ref.id)
    return Explanation(
        verdict=VerdictKind.LOGGED if verdict.logged else VerdictKind.REFUSED,
        rule=verdict.rule,
        headline=_headline(conn, mailbox, verdict, headers, context),
        remedy="" if verdict.logged else BY_ID[verdict.rule].remedy,
        rules=tuple(
            Line(rule, BY_ID[rule].title, passed, sentence)
            for rule, passed, sentence in explain(headers, context)
        ),
        notes=tuple(_notes(found, headers, context)),
        understood=tuple(_values(found, headers)),
        actual=_actual(conn, mailbox, headers, secrets),
        email_id=email_id,
    )


NOTHING_FOUND = "No e-mail headers were found in what you pasted."
HOW_TO_COPY = (
    "Gmail: open the message, choose “Show original” in its menu and copy all of it. "
    "Outlook: open the message's menu, then “View” and “View message details”. "
    "Apple Mail: “View”, “Message”, “Raw Source”. Or save the message as an .eml file."
)


def _headers(found: Pasted, mailbox: Mailbox, now: datetime) -> Headers:
    labels = found.first("x-gmail-labels").split(",")
    headers = read_headers(
        found.fields, Ref("pasted"), Place.FOLLOWED, _received(found) or now, labels
    )
    if headers.sender.address not in mailbox.own_addresses:
        return headers
    return read_headers(found.fields, headers.ref, Place.SENT, headers.received_at, labels)


def _received(found: Pasted) -> datetime | None:
    """When the last server took it: the date of the topmost Received field."""
    return read_date(found.first("received").rpartition(";")[2].strip())


def _headline(
    conn: Connection, mailbox: Mailbox, verdict: Verdict, headers: Headers, context: Context
) -> str:
    if not verdict.logged:
        lines = {rule: sentence for rule, _, sentence in explain(headers, context)}
        reason = lines.get(verdict.rule) or BY_ID[verdict.rule].summary
        return f"Would not be logged: {reason[:1].lower()}{reason[1:]}"
    if verdict.original is Original.REQUIRED:
        return "Would be logged as received from its original's sender, if that can be read in it."
    names = _names(conn, mailbox.account_id, verdict)
    if not names:
        return f"Would be logged, on nobody's timeline yet (rule {verdict.rule})."
    timelines = "timeline" if len(names) == 1 else "timelines"
    return f"Would be logged on the {timelines} of {_joined(names)} (rule {verdict.rule})."


def _names(conn: Connection, account_id: int, verdict: Verdict) -> list[str]:
    new = {one.address for one in verdict.create}
    names = []
    for address in verdict.contacts[:_MOST_NAMES]:
        known = None if address in new else contacts.find(conn, account_id, address)
        names.append((known and known.name) or address)
    more = len(verdict.contacts) - _MOST_NAMES
    names = list(dict.fromkeys(names))
    return [*names, f"{more} more"] if more > 0 else names


def _joined(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _notes(found: Pasted, headers: Headers, context: Context) -> Iterator[str]:
    """What was undone, what is missing, and what was assumed."""
    yield from (_MENDED[each] for each in found.mended)
    if not headers.sender.address:
        yield "No sender (From) was found in what you pasted."
    if not headers.message_id:
        yield "No Message-ID was found in what you pasted."
    if not headers.answers and not found.has("received"):
        yield (
            "Neither In-Reply-To nor References was found. If you copied only a part of the "
            "headers, copy all of them: the answer may be another one."
        )
    if headers.place is Place.SENT:
        yield f"It comes from {headers.sender.address}: it is looked at as a message that you sent."
        if not found.has("x-gmail-labels"):
            yield f"Headers do not show the label “{context.log_label}”: it is taken as not set."
        if not found.has("bcc"):
            yield "Headers that others received do not show Bcc; copy them from your Sent folder."
        return
    yield "Headers do not show the folder: the message is taken as lying in the Inbox."
    if _received(found) is None:
        yield "No time of receipt was found: it is taken as received just now."


def _values(found: Pasted, headers: Headers) -> Iterator[Value]:
    yield Value("From", headers.sender.address or "not found")
    yield Value(
        "To", _joined([one.address for one in headers.recipients[:_MOST_NAMES]] or ["not found"])
    )
    yield Value("Subject", headers.subject or "none")
    received = _received(found)
    yield Value("Received", f"{received:%d %B %Y, %H:%M:%S} UTC" if received else "not found")
    yield Value("Message-ID", headers.message_id or "not found")
    number = len(headers.answers)
    yield Value(
        "Answers", f"{number} earlier message{'s' if number != 1 else ''}" if number else "none"
    )


def _actual(conn: Connection, mailbox: Mailbox, headers: Headers, secrets: Secrets) -> str:
    """What really became of it, where this mailbox has seen the message."""
    if not headers.message_id:
        return ""
    digest = accounts.digests(conn, mailbox.account_id, secrets).of(headers.message_id)
    row = journal.of_message(conn, mailbox.account_id, mailbox.id, digest)
    if row is None:
        return ""
    rule = BY_ID.get(row.rule)
    what = {
        VerdictKind.LOGGED: "it was logged",
        VerdictKind.REFUSED: "it was not logged",
        VerdictKind.PENDING: "it waits to be read again",
    }[VerdictKind(row.verdict)]
    title = f" ({rule.title.lower()}, rule {row.rule})" if rule else ""
    return f"{mailbox.address} has this message already: {what}{title}."

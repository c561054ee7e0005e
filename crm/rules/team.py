"""Rules about a team's mailbox: what comes in becomes part of a conversation, unless it is denied."""

import re
from dataclasses import replace

from crm.addresses import listed
from crm.model import Address, Context, Headers, Original, Place, Verdict
from crm.rules.facts import contact_recipients, root_of, unlisted
from crm.rules.forwarded import UNREADABLE
from crm.subject_marks import MARKS
from crm.text import comparable

_LONGEST = 1000
_REPLIES = sorted(
    {
        re.escape(comparable(word).rstrip("."))
        for marks in MARKS.values()
        for word in marks.reply.split(",")
        if word.strip()
    },
    key=len,
    reverse=True,
)
_BEFORE = re.compile(
    r"(?:\[(?!fwd? ?:)[^\[\]]*+\] ?|【[^【】]*+】 ?"
    rf"|(?:{'|'.join(_REPLIES)})\.?(?: ?(?:\[\d{{1,4}}\]|\(\d{{1,4}}\)|[\^*]?\d{{1,4}}))? ?: ?)*+"
)
_FORWARD = re.compile(r"\[?fwd?(?![\w.-])")


def denied(headers: Headers, context: Context) -> bool:
    """The sender is on the account's list of those who are denied, and not on that of those who are
    allowed."""
    address = headers.sender.address
    return listed(address, context.team_deny) and not listed(address, context.team_allow)


def team(headers: Headers, _: Context) -> bool:
    """It came to a team's mailbox, or was sent from it."""
    return headers.place not in {Place.DRAFT, Place.JUNK, Place.TRASH}


def is_forward(subject: str) -> bool:
    """Whether FW or FWD leads the subject, after answers' marks and tags, as a word by itself."""
    text = comparable(subject[:_LONGEST])
    before = _BEFORE.match(text)
    return bool(_FORWARD.match(text, before.end() if before else 0))


def decide_arrived(headers: Headers, context: Context) -> Verdict:
    """The verdict on what came in and is not denied: its sender is a contact, or becomes one."""
    sender = headers.sender
    own = not sender.address or sender.address in context.own_addresses
    others = unlisted(contact_recipients(headers, context), context)
    found = (*(() if own else (sender.address,)), *others)
    new = not own and sender.address not in context.contacts
    return Verdict(
        logged=True,
        rule="team",
        root=root_of(headers, context),
        contacts=tuple(dict.fromkeys(found)),
        create=(sender,) if new else (),
        original=Original.PREFERRED if is_forward(headers.subject) else Original.NO,
    )


def for_original(
    verdict: Verdict, forwarder: Address, original: Address | None, context: Context
) -> Verdict:
    """The verdict on a forward, with its original's sender for a contact instead of the forwarder;
    the forwarder stays where nobody was found, and the rule says so."""
    if original is None or original.address in context.own_addresses:
        return replace(verdict, rule=UNREADABLE, original=Original.NO)
    others = (one for one in verdict.contacts if one != forwarder.address)
    new = original.address not in context.contacts
    return replace(
        verdict,
        contacts=tuple(dict.fromkeys((original.address, *others))),
        create=(original,) if new else (),
    )

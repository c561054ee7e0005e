"""Stories that hypothesis makes up: people, settings, messages with their copies, and what happens."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import strategies as st

from crm.messages import parse
from crm.model import Headers, Place, Ref, Switches
from tests.workers.conftest import BCC
from tests.workers.oracle import Copy, World

ANA, ANA2, BEN = "ana@acme.test", "ana@acme.example", "ben@acme.test"
BOXES = {ANA: 1, ANA2: 1, BEN: 2}  # the user of each mailbox
MARIA, ALIAS = "maria@globex.test", "m.rossi@home.test"  # one person
PIA = "pia@umbrella.test"  # becomes a contact sooner or later, in some stories
LEA = "lea@bank.test"  # a contact, on a Never Log list in some stories
ZOE = "zoe@stranger.test"
OUTSIDE = (MARIA, MARIA, MARIA, ALIAS, PIA, LEA, ZOE)
LABEL = "Log to CRM"
WIDER = (
    "skip_automatic",
    "log_internal",
    "log_all_known",
    "any_connected_user",
    "subject_changes_allowed",
    "log_unknown_sender",
    "log_own_replies",
    "log_parent",
)


@dataclass(frozen=True)
class Mail:
    """A message. `turn` is its place in time; `claims` the turn whose Message-ID it bears."""

    turn: int
    claims: int
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    in_reply_to: int | None
    references: tuple[int, ...]
    automatic: bool
    bcc: bool


@dataclass(frozen=True)
class Delivery:
    """A copy of a message in a mailbox. It may lie in Junk first or for ever, and be labelled when
    it comes or later; a mailing list may have put its own address for the sender's, a gateway its
    own date."""

    mail: Mail
    box: str
    sent: bool
    junk: bool = False
    rescued: bool = False
    label: str = ""  # "", "early", "late"
    sender: str = ""
    date_off: int = 0

    @property
    def name(self) -> str:
        return f"{self.box}/{self.mail.turn}{'s' if self.sent else ''}"

    @property
    def place(self) -> Place:
        """Where it lies when it comes."""
        if self.sent:
            return Place.SENT
        return Place.JUNK if self.junk else Place.FOLLOWED

    def raw(self, began: datetime) -> bytes:
        mail = self.mail
        when = began + timedelta(minutes=mail.turn, seconds=self.date_off)
        lines = [f"From: {self.sender or mail.sender}", f"To: {', '.join(mail.to)}"]
        lines += [f"Cc: {', '.join(mail.cc)}"] if mail.cc else []
        lines += [f"Bcc: {BCC}"] if mail.bcc and self.sent else []
        lines += [f"Subject: {mail.subject}", f"Message-ID: <m{mail.claims}@t>"]
        lines += [f"Date: {when:%a, %d %b %Y %H:%M:%S +0000}"]
        lines += ["Auto-Submitted: auto-replied"] if mail.automatic else []
        if mail.in_reply_to is not None:
            lines += [f"In-Reply-To: <m{mail.in_reply_to}@t>"]
        if mail.references:
            lines += ["References: " + " ".join(f"<m{each}@t>" for each in mail.references)]
        return "\r\n".join([*lines, "", "Hello.", ""]).encode()

    def received(self, began: datetime) -> datetime:
        return began + timedelta(minutes=self.mail.turn, seconds=5 + list(BOXES).index(self.box))

    def headers(self, began: datetime) -> Headers:
        """As it lies in its mailbox in the end."""
        rescued = self.junk and self.rescued
        place = Place.FOLLOWED if rescued else self.place
        labels = [LABEL] if self.label else []
        found = parse(self.raw(began), Ref(self.name), place, self.received(began), labels)
        return found.headers


@dataclass(frozen=True)
class Event:
    """Something that happens: a copy is delivered, repeated, rescued, labelled; a person becomes a
    contact, another address of Maria's, or turns out to be Maria."""

    what: str
    delivery: Delivery | None = None
    address: str = ""


@dataclass(frozen=True)
class Story:
    deliveries: tuple[Delivery, ...]
    events: tuple[Event, ...]
    switches: Switches
    never_log: dict[int | None, frozenset[str]]
    contacts: dict[str, int] = field(default_factory=dict)  # in the end

    def world(self) -> World:
        return World(
            own={box: frozenset({box}) for box in BOXES},
            domains=frozenset({"acme.test"}),
            contacts=self.contacts,
            switches=self.switches,
            bcc=BCC,
            never_log=self.never_log,
        )

    def copies(self, began: datetime) -> list[Copy]:
        return [
            Copy(each.box, BOXES[each.box], each.mail.claims, each.headers(began))
            for each in self.deliveries
        ]


@st.composite
def stories(draw: st.DrawFn, least: int = 2) -> Story:
    """`least`: how many messages there are at least."""
    mails: list[Mail] = []
    for turn in range(draw(st.integers(least, 7))):
        mails.append(draw(_mails(turn, mails)))
    deliveries = tuple(each for mail in mails for each in draw(_copies(mail)))
    events = [Event("deliver", each) for each in deliveries]
    events += [Event("rescue", each) for each in deliveries if each.junk and each.rescued]
    events += [Event("label", each) for each in deliveries if each.label == "late"]
    events += [Event("again", each) for each in deliveries if draw(st.integers(0, 4)) == 0]
    contacts = {MARIA: 1, LEA: 2}
    if draw(st.booleans()):
        events.append(Event("alias", address=ALIAS))
        contacts[ALIAS] = 1
    pia = draw(st.sampled_from(("", "", "contact", "alias")))
    if pia:
        events.append(Event(pia, address=PIA))
        contacts[PIA] = 1 if pia == "alias" else 3
    return Story(deliveries, tuple(events), draw(_switches()), draw(_never_log()), contacts)


@st.composite
def _mails(draw: st.DrawFn, turn: int, before: list[Mail]) -> Mail:
    """A root, or an answer to anything said before. A mail program writes In-Reply-To, or the whole
    chain of References, or both, or less of the chain."""
    ours = draw(st.booleans())
    sender = draw(st.sampled_from((ANA, ANA, BEN) if ours else OUTSIDE))
    outside = draw(st.lists(st.sampled_from(OUTSIDE), max_size=2, unique=True))
    inside = draw(st.lists(st.sampled_from((ANA, BEN)), max_size=2, unique=True))
    to = (*outside, *inside) or (MARIA,)
    parent = draw(_parent(before, turn))
    # An imitation bears the Message-ID of an earlier message, and answers one that is earlier still.
    claims = turn
    if not ours and turn and draw(st.integers(0, 9)) == 0:
        claims = draw(st.integers(0, turn - 1))
        parent = draw(_parent(before, claims))
    chain: tuple[int, ...] = ()
    in_reply_to = None
    subject = draw(st.sampled_from(("Offer", "Plan")))
    if parent is not None:
        said = next(each for each in before if each.claims == parent)
        chain = (*(each for each in said.references if each < claims), parent)
        subject = said.subject if draw(st.integers(0, 4)) else f"Re: {subject}"
        style = draw(st.sampled_from(("both", "in-reply-to", "references", "last")))
        in_reply_to = parent if style != "references" else None
        chain = {"in-reply-to": (), "last": chain[-1:]}.get(style, chain)
    split = draw(st.integers(1, len(to)))
    return Mail(
        turn,
        claims,
        sender,
        to[:split],
        to[split:],
        subject,
        in_reply_to,
        chain,
        automatic=not ours and draw(st.integers(0, 7)) == 0,
        bcc=ours and draw(st.integers(0, 3)) < 3,
    )


def _parent(before: list[Mail], until: int) -> st.SearchStrategy[int | None]:
    """What a message answers: one of the Message-IDs of earlier turns."""
    said = sorted({each.claims for each in before if each.claims < until})
    return st.sampled_from((None, *said, *said, *said)) if said else st.none()


@st.composite
def _copies(draw: st.DrawFn, mail: Mail) -> list[Delivery]:
    if mail.sender in BOXES:
        label = draw(st.sampled_from(("", "", "early", "late")))
        found = [Delivery(mail, mail.sender, sent=True, label=label)]
        others = [box for box in BOXES if box in (*mail.to, *mail.cc) and box != mail.sender]
    else:
        found = []
        others = draw(st.lists(st.sampled_from(list(BOXES)), min_size=1, max_size=3, unique=True))
    for box in others:
        junk = draw(st.integers(0, 7)) == 0
        one = Delivery(mail, box, sent=False, junk=junk, rescued=draw(st.booleans()))
        changed = draw(st.integers(0, 14))
        if changed == 0:
            one = replace(one, sender="list@lists.test")
        elif changed == 1:
            one = replace(one, date_off=7)
        found.append(one)
    return found


# Together these let a stranger's reply in at a colleague's, who has a Never Log list of his own.
FOR_STRANGERS = ["any_connected_user", "log_unknown_sender"]


@st.composite
def _switches(draw: st.DrawFn) -> Switches:
    some = st.lists(st.sampled_from(WIDER), max_size=2, unique=True)
    on = draw(st.one_of(some, some, some, st.just(FOR_STRANGERS)))
    return Switches(**dict.fromkeys(on, True)) if draw(st.booleans()) else Switches()


@st.composite
def _never_log(draw: st.DrawFn) -> dict[int | None, frozenset[str]]:
    lists: dict[int | None, frozenset[str]] = {None: frozenset(), 1: frozenset(), 2: frozenset()}
    if draw(st.booleans()):
        whose = draw(st.sampled_from((None, 1, 2)))
        who = st.sampled_from((LEA, "*@bank.test", ZOE, PIA, ALIAS))
        lists[whose] = frozenset(draw(st.lists(who, min_size=1, max_size=2, unique=True)))
    return lists

"""The story of the demo: what is sent, what is answered, and what must become of each message."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from replylog.pretend import Pretend

ANA, BEN = "ana@acme.test", "ben@acme365.test"
CLEO, DORA = "cleo@acme.test", "dora@acme365.test"  # for a visitor to connect
MARIA, BOB, JOE, ZOE, PAT, YAN = (
    "maria@globex.test",
    "bob@globex.test",
    "joe@umbrella.test",
    "zoe@stranger.test",
    "pat@press.test",
    "yan@stranger.test",
)
CONTACTS = {"Maria Globex": MARIA, "Bob Globex": BOB, "Joe Umbrella": JOE}
DOMAINS = ("acme.test", "acme365.test")
LABEL = "Log to CRM"
PACE = 1.2  # seconds between mails: Gmail announces one change a second and drops the rest
BCC = "log@bcc.acme.test"
RULE_FOLDER, OTHER_FOLDER = "Customers", "Later"
TEAM = "sales@acme.test"
NEVER = "press.test"


class Office(Protocol):
    """What people do on the pages while the story is told."""

    def team_thread(self) -> str:
        """A team's mailbox wrote to Maria; the Message-ID."""
        ...

    def never_log(self, entry: str) -> None:
        """Put an entry on the company's Never Log list."""
        ...

    def skip_automatic(self, on: bool) -> None:
        """Turn the switch that leaves out automatic mail."""
        ...

    def add_contact(self, address: str) -> None:
        """Make somebody a contact; refused replies are looked at again."""
        ...


@dataclass(frozen=True)
class Expected:
    """One copy of a message in a mailbox, and its verdict."""

    title: str
    mailbox: str
    provider_id: str
    began: float  # when it was delivered, epoch seconds
    verdict: str
    rule: str
    or_rule: str = ""  # of two copies, either may come first


@dataclass
class Story:
    """Plays against `world` and `office`; `settled` waits until what was told has a verdict."""

    world: Pretend
    office: Office
    settled: Callable[[list[Expected]], None]
    told: list[Expected] = field(default_factory=list)
    too_early: str = ""  # the id of what came to Ana before her mailbox was connected
    example: str = ""  # the id of the answer that the explainer is asked about
    _last: dict[str, float] = field(default_factory=dict)  # when a mailbox's last mail was

    def prepare(self) -> None:
        """What happens before the mailboxes are connected."""
        self.world.post("skew", seconds=-3600)
        sent = self.world.post(
            "mail", **mail(BOB, ANA, "<old@acme.test>", "Re: Before", "Bob wrote")
        )
        self.world.post("skew", seconds=0)
        self.too_early = sent["ids"][ANA]
        self.world.post(
            "rule",
            address=BEN,
            name="From Globex",
            from_contains="globex.test",
            target_folder=RULE_FOLDER,
        )

    def play(self) -> list[Expected]:
        """Tell all of it; what is expected of each message."""
        offer = self._send(
            ANA, f"{MARIA}, {JOE}", "Offer 12", "Ana's offer, ticked by its label", label=LABEL
        )
        plan = self._send(
            BEN, BOB, "Plan for May", "Ben's plan, ticked by the BCC address", bcc=BCC
        )
        team = self.office.team_thread()
        self.office.never_log(NEVER)
        self.settled(self.told)
        self._answers(offer, plan)
        self._outside(offer, plan, team)
        self._twice(offer)
        self._elsewhere(plan)
        self._automatic(plan)
        self.settled(self.told)
        return self.told

    def _answers(self, offer: str, plan: str) -> None:
        """Answers as they should be, and nearly so."""
        self._answer(MARIA, ANA, offer, "Re: Offer 12", "Maria answers Ana")
        self._answer(
            BOB, BEN, plan, "AW: Plan for May", f"Bob answers Ben; a rule moves it to {RULE_FOLDER}"
        )
        self._answer(
            JOE, ANA, offer, "Re: Offer 12", "Joe's answer lands in junk", place="junk", rule="junk"
        )
        self._answer(
            JOE, ANA, offer, "Invoice 7", "Joe answers with a new subject", rule="subject-changed"
        )
        self.example = self.told[-1].provider_id
        self._answer(
            ZOE, BEN, plan, "Re: Plan for May", "A stranger joins the thread", rule="unknown-sender"
        )

    def _outside(self, offer: str, plan: str, team: str) -> None:
        """What belongs to no thread of the mailbox's owner."""
        self._answer(BOB, BEN, "", "Good morning", "Bob writes a new e-mail", rule="not-a-reply")
        self._answer(
            BOB, BEN, "<lost@x.test>", "Re: Lunch", "Bob answers what nobody logged",
            rule="unknown-thread",
        )  # fmt: skip
        self._answer(
            BOB, ANA, plan, "Re: Plan for May", "Bob answers Ben's plan to Ana", rule="not-owner"
        )
        self._answer(
            MARIA, BEN, team, "Re: Fair", "Maria answers the team to Ben", rule="team-thread"
        )
        self._answer(
            CLEO, ANA, offer, "Re: Offer 12", "Cleo, a colleague, answers", rule="internal"
        )
        self._answer(
            PAT, BEN, plan, "Re: Plan for May", "Pat, on the Never Log list", rule="never-log"
        )
        began = self._paced(ANA)
        self.world.post("label", address=ANA, id=self.too_early, label="Old")
        title = "Bob's e-mail from before Ana connected"
        self.told.append(Expected(title, ANA, self.too_early, began, "refused", "disconnected"))

    def _elsewhere(self, plan: str) -> None:
        """What is moved after it came, and a draft."""
        self._answer(MARIA, ANA, "", "Hello", "Maria's new e-mail, thrown away", rule="trash")
        self._answer(YAN, BEN, plan, "Re: Plan for May", "Yan's answer, filed away", rule="folder")
        self.settled(self.told)
        thrown, filed = self.told[-2:]
        self.world.post("move", address=ANA, id=thrown.provider_id, to="trash")
        self.world.post("move", address=BEN, id=filed.provider_id, to=OTHER_FOLDER)
        self.office.add_contact(YAN)
        began = self._paced(ANA)
        self.world.post("google/draft", address=ANA, to=MARIA, subject="Offer 13", text="Dear")
        messages = self.world.get("mailbox", address=ANA)["messages"]
        draft = next(each["id"] for each in reversed(messages) if each["folder"] == "drafts")
        self.told.append(Expected("Ana's draft", ANA, draft, began, "refused", "draft"))

    def _automatic(self, plan: str) -> None:
        """A machine answers, while the company leaves such mail out."""
        self.office.skip_automatic(True)
        self._answer(
            BOB, BEN, plan, "Re: Plan for May", "Bob's mail program answers", rule="automatic",
            headers={"Auto-Submitted": "auto-replied"},
        )  # fmt: skip
        self.settled(self.told)
        self.office.skip_automatic(False)

    def _paced(self, mailbox: str) -> float:
        """Wait until the mailbox may announce its next change; now, as epoch seconds."""
        pause = PACE if mailbox == ANA else PACE / 6
        time.sleep(max(0.0, self._last.get(mailbox, 0.0) + pause - time.time()))
        self._last[mailbox] = time.time()
        return self._last[mailbox]

    def _send(
        self, sender: str, to: str, subject: str, title: str, label: str = "", bcc: str = ""
    ) -> str:
        began = self._paced(sender)
        options = {"label": label} if label else {"bcc": bcc}
        sent = self.world.post(
            "send",
            **{"from": sender, "to": to, "subject": subject, "text": "Dear all,\n\nhere it is."},
            **options,
        )
        rule = "sent-label" if label else "sent-bcc"
        self.told.append(Expected(title, sender, sent["id"], began, "logged", rule))
        return str(sent["message_id"])

    def _answer(  # noqa: PLR0913 - a mail has that many parts
        self,
        sender: str,
        to: str,
        root: str,
        subject: str,
        title: str,
        place: str = "inbox",
        rule: str = "reply",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        began = self._paced(to)
        body = mail(sender, to, root, subject, title) | {"headers": dict(headers or {})}
        sent = self.world.post("mail", **body, place=place)
        verdict = "logged" if rule == "reply" else "refused"
        self.told.append(Expected(title, to, sent["ids"][to], began, verdict, rule))

    def _twice(self, root: str) -> None:
        """The same message arrives twice, announced in the wrong order and more than once."""
        self._paced(ANA)
        self.world.post("notifications", duplicate=True, reorder=0.4)
        message_id = "<twice@globex.test>"
        for n, (rule, other) in enumerate((("reply", "duplicate"), ("duplicate", "reply")), 1):
            title = f"Maria's second answer, delivered twice ({n} of 2)"
            body = mail(MARIA, ANA, root, "Re: Offer 12", "Maria's second answer") | {
                "message_id": message_id
            }
            began = time.time()
            sent = self.world.post("mail", **body)
            self.told.append(Expected(title, ANA, sent["ids"][ANA], began, "logged", rule, other))
        self.world.post("notifications", duplicate=False, reorder=0)
        self._last[ANA] = time.time()


def mail(sender: str, to: str, root: str, subject: str, text: str) -> dict[str, Any]:
    """An answer to `root` (a new e-mail where that is ''), as the sandbox's control API takes it."""
    if not root:
        return {"from": sender, "to": to, "subject": subject, "text": f"{text}.\n"}
    body = f"{text}.\n\nOn Monday, Acme wrote:\n> Dear all,\n>\n> here it is.\n"
    return {"from": sender, "to": to, "subject": subject, "text": body, "in_reply_to": root}

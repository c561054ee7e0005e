"""The story of the demo: what is sent, what is answered, and what must become of each message."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from replylog.pretend import Pretend

ANA, BEN = "ana@acme.test", "ben@acme365.test"
MARIA, BOB, JOE, ZOE = (
    "maria@globex.test",
    "bob@globex.test",
    "joe@umbrella.test",
    "zoe@stranger.test",
)
CONTACTS = {"Maria Globex": MARIA, "Bob Globex": BOB, "Joe Umbrella": JOE}
DOMAINS = ("acme.test", "acme365.test")
LABEL = "Log to CRM"
PACE = 1.2  # seconds between mails: Gmail announces one change a second and drops the rest
BCC = "log@bcc.acme.test"
RULE_FOLDER = "Customers"


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
    """Plays against `world`; `settled` waits until what was told so far has a verdict."""

    world: Pretend
    settled: Callable[[list[Expected]], None]
    told: list[Expected] = field(default_factory=list)

    def play(self) -> list[Expected]:
        """Tell all of it; what is expected of each message."""
        offer = self._send(
            ANA, f"{MARIA}, {JOE}", "Offer 12", "Ana's offer, ticked by its label", label=LABEL
        )
        plan = self._send(
            BEN, BOB, "Plan for May", "Ben's plan, ticked by the BCC address", bcc=BCC
        )
        self.settled(self.told)
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
        self._answer(
            ZOE, BEN, plan, "Re: Plan for May", "A stranger joins the thread", rule="unknown-sender"
        )
        self._twice(offer)
        self.settled(self.told)
        return self.told

    def _send(
        self, sender: str, to: str, subject: str, title: str, label: str = "", bcc: str = ""
    ) -> str:
        time.sleep(PACE)
        began = time.time()
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
    ) -> None:
        time.sleep(PACE)
        began = time.time()
        sent = self.world.post("mail", **mail(sender, to, root, subject, title), place=place)
        verdict = "logged" if rule == "reply" else "refused"
        self.told.append(Expected(title, to, sent["ids"][to], began, verdict, rule))

    def _twice(self, root: str) -> None:
        """The same message arrives twice, announced in the wrong order and more than once."""
        time.sleep(PACE)
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


def mail(sender: str, to: str, root: str, subject: str, text: str) -> dict[str, str]:
    """An answer to `root`, as the sandbox's control API takes it."""
    body = f"{text}.\n\nOn Monday, Acme wrote:\n> Dear all,\n>\n> here it is.\n"
    return {"from": sender, "to": to, "subject": subject, "text": body, "in_reply_to": root}

"""The rules of team mailboxes, the logging address and forwards, as rows of the same table."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from crm.authentication import authentic, authserv_id
from crm.messages import parse
from crm.model import (
    Address,
    Context,
    MailboxKind,
    NeverLog,
    Original,
    Place,
    Ref,
    Switches,
    Verdict,
)
from crm.rules import team as team_rules
from crm.rules.decide import decide, explain, refuse_by_place
from crm.rules.forwarded import decide_original
from crm.rules.registry import BY_ID
from crm.rules.rule import Effect
from tests.crm.test_rules import (
    ANA,
    BCC,
    BEN,
    CLEO,
    COLLEAGUE,
    DORA,
    EVE,
    MAIL,
    NOON,
    ROOT,
    STRANGER,
    Case,
)
from tests.crm.test_rules import (
    CONTEXT as PERSONAL,
)
from tests.crm.test_rules import (
    mail as base_mail,
)
from tests.crm.test_rules import (
    sent as base_sent,
)
from tests.providers.mail import AUTHENTICATED

CONTEXT = replace(
    PERSONAL,
    forwarding_address="forward@in.acme.test",
    users={"ana@acme.test": ANA, "ben@acme.test": BEN},
    trusted_authserv_ids=frozenset({"mx.acme.test"}),
)
TEAM = replace(CONTEXT, mailbox_kind=MailboxKind.TEAM)
FORWARDING = (Address("forward@in.acme.test"),)
PASSED = (
    "mx.acme.test; spf=pass smtp.mailfrom=acme.test; dmarc=pass (p=none) header.from=acme.test",
)
DECIDED_HERE = {"forwarded", "not-authentic", "denied", "team"}
LOGGED = {"reply", "sent-bcc", "forwarded", "team"}


def mail(name: str, rule: str, context: Context = CONTEXT, **changes: Any) -> Case:
    return base_mail(name, rule, context, **changes)


def sent(name: str, rule: str, context: Context = CONTEXT, **changes: Any) -> Case:
    return base_sent(name, rule, context, **changes)


def never(*entries: str) -> Context:
    return replace(CONTEXT, never_log=NeverLog(frozenset(entries)))


def denying(*entries: str, allow: str = "") -> Context:
    allowed = NeverLog(frozenset({allow} - {""}))
    return replace(TEAM, team_deny=NeverLog(frozenset(entries)), team_allow=allowed)


def logging(name: str, rule: str, *, expect=None, **changes: Any) -> Case:
    """What arrives at the logging address, from the user Ben unless another is given."""
    context = replace(
        CONTEXT, mailbox_kind=MailboxKind.LOGGING, user_id=None, own_addresses=frozenset()
    )
    context = replace(context, never_log=changes.pop("never_log", NeverLog()))
    given = {"sender": COLLEAGUE, "to": (CLEO,), "in_reply_to": (), "authentication": PASSED}
    return Case(name, rule, replace(MAIL, **(given | changes)), context, expect or {})


# fmt: off
CASES = [
    # forwarded
    sent("a message to the forwarding address is looked into", "forwarded", to=FORWARDING,
         expect={"original": Original.REQUIRED, "contacts": (), "create": ()}),
    sent("the forwarding address counts in Cc and Bcc too, and before the BCC address", "forwarded",
         bcc=(*BCC, *FORWARDING)),
    sent("its other recipients do not become contacts, listed or not", "forwarded",
         never("globex.test"), to=(CLEO, STRANGER, *FORWARDING), expect={"create": ()}),
    sent("without a forwarding address set, none matches", "not-ticked",
         replace(CONTEXT, forwarding_address=""), to=(Address(""),)),
    mail("a message that arrives with the forwarding address among its recipients is judged as others",
         "reply", cc=FORWARDING),
    sent("the forwarding address becomes no contact", "sent-bcc",
         replace(CONTEXT, forwarding_address=""), bcc=BCC, to=(CLEO,), expect={"create": ()}),
    # team
    mail("whatever comes to a team is logged, from a stranger who becomes a contact too", "team", TEAM,
         sender=STRANGER, in_reply_to=(), expect={"contacts": ("zoe@stranger.test",), "create": (STRANGER,), "root": None}),
    mail("a contact's mail to a team joins the thread it answers", "team", TEAM,
         expect={"contacts": ("cleo@globex.test",), "create": (), "root": ROOT}),
    mail("contacts among a team mail's recipients see it too", "team", TEAM, cc=(DORA, EVE),
         expect={"contacts": ("cleo@globex.test", "dora@globex.test")}),
    mail("a team mailbox is followed in every folder", "team", TEAM, place=Place.ELSEWHERE),
    mail("junk of a team is refused", "junk", TEAM, place=Place.JUNK),
    mail("trash of a team is refused", "trash", TEAM, place=Place.TRASH),
    mail("a draft of a team is refused", "draft", TEAM, place=Place.DRAFT),
    mail("a team's own copy in its Inbox makes no contact of the team", "team", TEAM,
         sender=Address("ana@acme.test"), expect={"contacts": (), "create": ()}),
    mail("the original of what is forwarded to a team is looked for", "team", TEAM, subject="Re: [EXT] FW: Offer",
         expect={"original": Original.PREFERRED}),
    mail("a word that begins like FW is none", "team", TEAM, subject="FWD-7 lamps", expect={"original": Original.NO}),
    mail("what a team sends is for every recipient", "team", TEAM, place=Place.SENT, sender=Address("ana@acme.test"),
         to=(CLEO, STRANGER, COLLEAGUE), expect={"contacts": ("cleo@globex.test", "zoe@stranger.test"), "create": (STRANGER,)}),
    mail("what a team sends to listed people alone is not logged", "never-log",
         replace(never("globex.test"), mailbox_kind=MailboxKind.TEAM), place=Place.SENT, to=(CLEO, EVE)),
    mail("a team may forward to be logged too", "forwarded", TEAM, place=Place.SENT, to=FORWARDING,
         expect={"original": Original.REQUIRED}),
    # denied
    mail("a denied sender's mail to a team is refused", "denied", denying("stranger.test"), sender=STRANGER),
    mail("an allowed sender of a denied domain is logged", "team",
         denying("stranger.test", allow="zoe@stranger.test"), sender=STRANGER),
    mail("an entry for a domain does not deny its sub-domains", "team", denying("stranger.test"),
         sender=Address("zoe@mail.stranger.test")),
    mail("denying is for teams alone", "reply", replace(denying("globex.test"), mailbox_kind=MailboxKind.PERSONAL)),
    # not-authentic, and what a logging address takes
    logging("a user's copy to the logging address is logged as theirs", "sent-bcc", to=(CLEO, STRANGER),
            expect={"owner_id": BEN, "contacts": ("cleo@globex.test", "zoe@stranger.test"), "create": (STRANGER,)}),
    logging("the forwarding address in To makes it a forward", "forwarded", to=FORWARDING,
            expect={"owner_id": BEN, "original": Original.REQUIRED}),
    logging("a copy for listed people alone is not logged", "never-log", never_log=NeverLog(frozenset({"globex.test"}))),
    logging("a stranger's mail to the logging address is refused", "not-authentic", sender=STRANGER),
    logging("a colleague who is no user is refused", "not-authentic", sender=Address("kim@acme.test")),
    logging("a user's mail without a server's word is refused", "not-authentic", authentication=()),
    logging("a server that is not trusted has no word", "not-authentic",
            authentication=("mx.evil.test; dmarc=pass header.from=acme.test",)),
    logging("what is sent from the logging address is not logged", "not-ticked", place=Place.SENT, bcc=BCC),
    logging("junk at the logging address is refused", "junk", place=Place.JUNK),
    logging("mail from before the logging address was connected is refused", "disconnected",
            received_at=datetime(2026, 2, 1, tzinfo=UTC)),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_is_decided_by(case):
    verdict = decide(case.headers, case.context)

    assert verdict.rule == case.rule
    assert verdict.logged == (case.rule in LOGGED)
    assert {key: getattr(verdict, key) for key in case.expect} == case.expect


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_explanation_agrees_with_the_decision(case):
    lines = explain(case.headers, case.context)

    said = {rule: passed for rule, passed, _ in lines}
    assert all(said.values()) if case.rule == "reply" else said[case.rule] == (case.rule in LOGGED)
    if case.rule in LOGGED:
        assert all(said[rule] for rule in said if BY_ID[rule].effect is Effect.REFUSES)
    assert all(sentence and "{" not in sentence for _, _, sentence in lines)


def test_every_rule_of_these_decides_a_row():
    assert {case.rule for case in CASES} >= DECIDED_HERE


def test_a_place_decides_for_a_team_but_not_a_folder():
    assert refuse_by_place(Place.ELSEWHERE, MailboxKind.TEAM) is None
    assert refuse_by_place(Place.ELSEWHERE, MailboxKind.LOGGING) == "folder"
    assert refuse_by_place(Place.JUNK, MailboxKind.TEAM) == "junk"


ORIGINAL = replace(MAIL, sender=EVE, in_reply_to=("root@acme.test",))
FIRST = Verdict(True, "forwarded", owner_id=BEN, original=Original.REQUIRED)


@pytest.mark.parametrize(
    ("original", "context", "rule", "expect"),
    [
        (ORIGINAL, CONTEXT, "forwarded",
         {"contacts": ("eve@globex.test",), "create": (EVE,), "root": ROOT, "owner_id": BEN}),
        (replace(ORIGINAL, sender=CLEO, cc=(DORA, STRANGER)), CONTEXT, "forwarded",
         {"contacts": ("cleo@globex.test", "dora@globex.test"), "create": ()}),
        (replace(ORIGINAL, cc=(DORA,)), never("dora@globex.test"), "forwarded",
         {"contacts": ("eve@globex.test",)}),
        (ORIGINAL, never("globex.test"), "never-log", {}),
        (replace(ORIGINAL, sender=COLLEAGUE), CONTEXT, "internal", {}),
        (replace(ORIGINAL, sender=COLLEAGUE, cc=(DORA,)),
         replace(CONTEXT, switches=Switches(log_internal=True)), "forwarded", {"create": ()}),
        (replace(ORIGINAL, sender=Address("ben@home.test")),
         replace(CONTEXT, users={"ben@home.test": BEN}), "internal", {}),
        (replace(ORIGINAL, in_reply_to=()), CONTEXT, "forwarded", {"root": None}),
    ],
    ids=["a stranger becomes a contact, in the thread that was answered", "contacts in Cc see it",
         "listed contacts in Cc do not", "a listed sender is refused", "a colleague is refused",
         "a colleague may be logged and becomes no contact", "a user with another address is a colleague",
         "what answers nothing begins a thread"],
)  # fmt: skip
def test_the_original_of_a_forward_is_decided_by(original, context, rule, expect):
    verdict = decide_original(original, context, FIRST)

    assert (verdict.rule, verdict.logged) == (rule, rule == "forwarded")
    assert {key: getattr(verdict, key) for key in expect} == expect


def test_a_forward_to_a_team_is_for_its_original_sender():
    verdict = decide(replace(MAIL, subject="FW: Offer", sender=COLLEAGUE, cc=(DORA,)), TEAM)

    found = team_rules.for_original(verdict, COLLEAGUE, STRANGER, TEAM)

    assert (found.rule, found.create) == ("team", (STRANGER,))
    assert found.contacts == ("zoe@stranger.test", "dora@globex.test")


def test_a_contact_whose_mail_is_forwarded_to_a_team_does_not_become_one_again():
    verdict = decide(replace(MAIL, subject="FW: Offer", sender=COLLEAGUE), TEAM)

    found = team_rules.for_original(verdict, COLLEAGUE, CLEO, TEAM)

    assert (found.contacts, found.create) == (("cleo@globex.test",), ())


@pytest.mark.parametrize("original", [None, Address("ana@acme.test")], ids=["nobody", "the team"])
def test_the_forwarder_stands_in_for_an_original_sender_who_is(original):
    verdict = decide(replace(MAIL, subject="FW: Offer", sender=STRANGER), TEAM)

    found = team_rules.for_original(verdict, STRANGER, original, TEAM)

    assert (found.logged, found.rule) == (True, "forward-unreadable")
    assert (found.contacts, found.create) == (("zoe@stranger.test",), (STRANGER,))
    assert found.original is Original.NO


@pytest.mark.parametrize(
    ("subject", "is_one"),
    [
        ("FW: Offer", True),
        ("Fwd: Offer", True),
        ("fwd Offer", True),
        ("RE: AW: [EXT] Fw: Offer", True),
        ("[Fwd: Offer]", True),
        ("Re[2]: FWD: Offer", True),
        ("ＦＷ： Offer", True),
        ("FWIW: Offer", False),
        ("FW-1200 manual", False),
        ("Fwd.txt", False),
        ("Offer FW: old", False),
        ("Refwd: Offer", False),
        ("", False),
        ("[" * 100_000, False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_subject_is_led_by_a_word_for_forwarding(subject, is_one):
    assert team_rules.is_forward(subject) is is_one


BEN_S = replace(MAIL, sender=COLLEAGUE)
GMAIL = (
    "mx.acme.test; dkim=pass header.i=@acme.test header.s=x; spf=pass (mx.acme.test: domain of "
    "ben@acme.test designates 1.2.3.4 as permitted sender) smtp.mailfrom=ben@acme.test;\r\n"
    "       dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=acme.test"
)
MICROSOFT = (
    "spf=pass (sender IP is 1.2.3.4) smtp.mailfrom=acme.test; dkim=pass (signature was verified) "
    "header.d=acme.test;dmarc=pass action=none header.from=acme.test;compauth=pass reason=100"
)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ((GMAIL,), True),
        (("mx.acme.test 1; dmarc=pass header.from=acme.test",), True),
        (("MX.Acme.Test (a (b) comment) ; DMARC = Pass (x) Header.From = ACME.test",), True),
        (("mx.acme.test; dmarc=pass action=none header.from=acme.test",), True),
        (("mx.other.test; dmarc=fail header.from=acme.test", GMAIL), True),
        (("mx.acme.test; dmarc=fail header.from=acme.test", GMAIL), False),
        (("mx.acme.test; spf=pass smtp.mailfrom=ben@acme.test", GMAIL), False),
        (("mx.acme.test; none",), False),
        (("mx.acme.test; dmarc=pass header.from=evil.test",), False),
        (("mx.acme.test; dmarc=pass header.from=mail.acme.test",), False),
        (("mx.acme.test; dmarc=pass",), False),
        (("mx.acme.test; dmarc=none header.from=acme.test",), False),
        (("mx.acme.test; dmarc=fail (dmarc=pass) header.from=acme.test",), False),
        (("mx.acme.test; dmarc=fail reason=\"; dmarc=pass\" header.from=acme.test",), False),
        (("mx.acme.test; dmarc=pass header.from=acme.test; dmarc=fail header.from=acme.test",), False),
        (("mx.acme.test 2; dmarc=pass header.from=acme.test",), False),
        (("mx.acme.test.evil.test; dmarc=pass header.from=acme.test",), False),
        ((MICROSOFT,), False),
        (("mx.acme.test; dmarc=pass header.from=acme.test; x" + "(" * 100_000,), False),
        (("mx.acme.test; dmarc=pass header.from=acme.test; x" + "(" * 3000,), False),
        (("",), False),
        ((), False),
    ],
    ids=[
        "Gmail's header", "a version", "capitals, comments and spaces", "Microsoft's action=none",
        "another server's word above", "only the topmost word of the server", "a word about SPF alone",
        "nothing found out", "another domain", "a sub-domain", "no domain", "no policy",
        "a pass in a comment", "a pass in a reason", "two answers", "a version to come",
        "a server named alike", "Microsoft's header, which names no server", "a megabyte of comments",
        "comments within each other", "an empty header", "no header",
    ],
)  # fmt: skip
def test_a_message_is_authentic_by(results, expected):
    headers = replace(BEN_S, authentication=results)
    assert authentic(headers, ["MX.acme.test"]) is expected
    assert authentic(headers, []) is False


def test_of_several_headers_in_a_message_the_topmost_counts():
    headers = parse(AUTHENTICATED, Ref("m1"), Place.FOLLOWED, NOON).headers

    assert [each.partition(";")[0] for each in headers.authentication] == ["mx.acme.test"] * 2
    assert authentic(headers, ["mx.acme.test"])
    upside_down = replace(headers, authentication=headers.authentication[::-1])
    assert not authentic(upside_down, ["mx.acme.test"])


def test_a_header_names_its_server_first():
    assert authserv_id('"mx.Acme.test" 1; none') == "mx.acme.test"
    assert authserv_id("spf=pass; dmarc=pass") == ""

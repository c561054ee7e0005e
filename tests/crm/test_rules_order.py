"""Threads, the order of the rules, and what the rules' words leave out, as rows of the same table."""

from dataclasses import replace
from itertools import combinations

import pytest

from crm.model import Address, NeverLog, Place, Switches
from crm.rules.decide import decide, explain
from tests.crm.test_rules import (
    ANA,
    AUTO,
    BEN,
    CLEO,
    COLLEAGUE,
    CONTEXT,
    DORA,
    EVE,
    LABEL,
    MAIL,
    ROOT,
    mail,
    never,
    rooted,
    sent,
    signs,
    when,
)

OTHER = replace(ROOT, thread_id=8, owner_id=BEN)
BOTH = replace(CONTEXT, roots={"root@acme.test": ROOT, "other@acme.test": OTHER})
NOBODY = rooted(contact_recipients=frozenset())
UNKNOWN = replace(
    when(log_unknown_sender=True), never_log=NeverLog(frozenset({"cleo@globex.test"}))
)

# fmt: off
CASES = [
    # which thread
    mail("what is answered comes before what is referred to", "reply", BOTH,
         in_reply_to=("root@acme.test",), references=("root@acme.test", "other@acme.test"),
         expect={"root": ROOT}),
    mail("of several that are answered the first that is logged counts", "reply", BOTH,
         in_reply_to=("lost@x", "root@acme.test", "other@acme.test"), expect={"root": ROOT}),
    mail("references count from the newest back", "reply", BOTH, in_reply_to=(),
         references=("other@acme.test", "root@acme.test"), expect={"root": ROOT}),
    mail("the newest reference decides though an older one is one's own", "not-owner", BOTH,
         in_reply_to=(), references=("root@acme.test", "other@acme.test")),
    mail("references that a relay reordered still find the thread", "reply",
         in_reply_to=("lost@x",), references=("lost@x", "root@acme.test", "gone@x")),
    mail("a reference that was cut is not the id it was", "unknown-thread",
         in_reply_to=("oot@acme.test",), references=("root@acme.tes",)),
    mail("capitals make another id", "unknown-thread", in_reply_to=("ROOT@acme.test",)),
    mail("a message that refers to itself alone is in no thread", "unknown-thread",
         in_reply_to=("reply@globex.test",)),
    mail("a message without an id of its own is in its thread", "reply", message_id=""),
    # internal: the account's own domains, nothing else
    mail("a colleague's mail to nobody is internal", "internal", sender=COLLEAGUE, to=()),
    mail("a contact's mail to nobody is not", "reply", to=()),
    mail("a contact in Bcc makes it no longer internal", "unknown-sender", sender=COLLEAGUE, bcc=(CLEO,)),
    mail("a sender without an address is not internal", "unknown-sender", sender=Address("")),
    mail("one's own address at a foreign domain is not the company's", "unknown-sender",
         replace(CONTEXT, own_addresses=frozenset({"ana@mail.test"})), sender=Address("ana@mail.test"),
         to=(Address("ana@mail.test"),)),
    mail("an account without domains has no internal mail", "unknown-sender",
         replace(CONTEXT, account_domains=frozenset()), sender=COLLEAGUE),
    # automatic
    mail("an automatic reply with its usual subject is logged", "reply", signs=AUTO,
         subject="Automatic reply: Offer"),
    mail("an automatic reply about something else is refused", "subject-changed", signs=AUTO,
         subject="Automatic reply: Lunch"),
    mail("a delivery report is refused where automatic mail is skipped", "automatic",
         when(skip_automatic=True), signs=signs(return_path="<>")),
    mail("a calendar's answer is refused where automatic mail is skipped", "automatic",
         when(skip_automatic=True), signs=signs(content_type="text/calendar; method=REPLY")),
    mail("a subject alone makes it automatic", "automatic", when(skip_automatic=True),
         subject="Abwesenheitsnotiz: Offer"),
    # log_all_known
    mail("a new e-mail from a stranger to a contact is logged where all known mail is", "reply",
         when(log_all_known=True), in_reply_to=(), sender=EVE, cc=(CLEO,),
         expect={"contacts": ("cleo@globex.test",)}),
    mail("a contact in Bcc counts as known, but has no timeline for it", "reply",
         when(log_all_known=True), in_reply_to=(), sender=EVE, bcc=(CLEO,), expect={"contacts": ()}),
    mail("a team's thread is not taken over even so", "team-thread",
         replace(rooted(team=True, owner_id=None), switches=Switches(log_all_known=True))),
    # team-thread, not-owner
    mail("any user's mailbox will not do for a team's thread", "team-thread",
         replace(rooted(team=True, owner_id=None), switches=Switches(any_connected_user=True))),
    mail("a thread whose owner is gone is nobody's", "not-owner", rooted(owner_id=None)),
    mail("a thread of one's own is, in whichever mailbox", "reply",
         replace(CONTEXT, user_id=ANA, own_addresses=frozenset({"sales@acme.test"}))),
    # never-log
    mail("a thread that went to no contact has nobody listed", "reply", NOBODY),
    mail("a listed recipient of the reply itself does not refuse it", "reply",
         never("dora@globex.test"), cc=(DORA,), expect={"contacts": ("cleo@globex.test",)}),
    mail("one that was logged for strangers alone is refused only for its sender", "never-log",
         replace(NOBODY, never_log=NeverLog(frozenset({"cleo@globex.test"})))),
    mail("a listed contact of the thread refuses a stranger too", "never-log", UNKNOWN, sender=EVE),
    # unknown-sender
    mail("a stranger's reply is logged only for contacts that are not listed", "reply",
         replace(UNKNOWN, roots={"root@acme.test": replace(ROOT, contact_recipients=frozenset({"cleo@globex.test", "dora@globex.test"}))}),
         sender=EVE, expect={"contacts": ("dora@globex.test",), "create": ()}),
    mail("a stranger's reply is for the contacts in Cc as well, each once", "reply",
         when(log_unknown_sender=True), sender=EVE, cc=(DORA, CLEO),
         expect={"contacts": ("dora@globex.test", "cleo@globex.test")}),
    mail("a known sender's reply is not for all of the thread", "reply",
         when(log_unknown_sender=True), sender=DORA, expect={"contacts": ("dora@globex.test",)}),
    mail("a sender who is in Cc, too, appears once", "reply", cc=(CLEO,),
         expect={"contacts": ("cleo@globex.test",)}),
    mail("a new e-mail from a stranger is no unknown sender's reply", "not-a-reply",
         when(log_unknown_sender=True), in_reply_to=(), sender=EVE),
    # sent
    sent("a contact in Bcc alone is not a recipient that is known", "not-ticked",
         when(log_all_known=True), to=(EVE,), bcc=(CLEO,)),
    sent("a sent e-mail is logged though it was sent while not connected", "sent-label",
         replace(CONTEXT, connected=()), labels=LABEL),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_is_decided_by(case):
    verdict = decide(case.headers, case.context)

    assert verdict.rule == case.rule
    assert {key: getattr(verdict, key) for key in case.expect} == case.expect


REFUSED = {  # what makes each rule refuse, whatever else holds; in the order of the rules
    "draft": ({"place": Place.DRAFT}, {}),
    "junk": ({"place": Place.JUNK}, {}),
    "trash": ({"place": Place.TRASH}, {}),
    "folder": ({"place": Place.ELSEWHERE}, {}),
    "disconnected": ({}, {"connected": ()}),
    "automatic": ({"signs": AUTO}, {"switches": Switches(skip_automatic=True)}),
    "internal": ({"sender": COLLEAGUE}, {}),
    "not-a-reply": ({"in_reply_to": ()}, {}),
    "unknown-thread": ({"in_reply_to": ("lost@x",)}, {}),
    "team-thread": ({}, {"roots": {"root@acme.test": replace(ROOT, team=True)}}),
    "not-owner": ({}, {"user_id": BEN}),
    "subject-changed": ({"subject": "Lunch"}, {}),
    "never-log": ({}, {"never_log": NeverLog(frozenset({"globex.test"}))}),
    "unknown-sender": ({}, {"contacts": {}}),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_rule_refuses_by_itself(rule):
    headers, context = REFUSED[rule]
    assert decide(replace(MAIL, **headers), replace(CONTEXT, **context)).rule == rule


def test_of_two_rules_that_refuse_the_first_is_the_reason():
    tried = 0
    for first, second in combinations(REFUSED, 2):
        headers = replace(MAIL, **REFUSED[second][0] | REFUSED[first][0])
        context = replace(CONTEXT, **REFUSED[second][1] | REFUSED[first][1])
        refused = [rule for rule, passed, _ in explain(headers, context) if not passed]
        if {first, second} <= {*refused}:
            tried += 1
            assert decide(headers, context).rule == refused[0]
            assert refused == sorted(refused, key=[*REFUSED].index)
    assert tried > 60

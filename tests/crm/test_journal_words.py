"""The journal's rows in words, without a database."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from crm.journal_actions import ALLOWS
from crm.journal_model import About, Do, Listed
from crm.journal_words import words
from crm.model import AccountSettings, MailboxKind, MailboxStatus, Switches
from crm.rules.registry import RULES
from crm.rules.rule import Effect, Part
from crm.rules.turns import SWITCHES
from crm.store.journal import Entry
from crm.store.journal_facts import Answered, Known, Stands
from crm.store.mailbox_rows import Mailbox
from crm.store.waiting import Waiting

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANA = "ana@acme.test"
MAILBOX = Mailbox(
    **dict.fromkeys((each.name for each in fields(Mailbox)), None)
    | {"id": 1, "account_id": 1, "user_id": 1, "address": ANA, "provider": "gmail"}
    | {"kind": MailboxKind.PERSONAL, "status": MailboxStatus.CONNECTED}
    | {"own_addresses": frozenset({ANA})},
)
ENTRY = Entry(
    id=1, mailbox_id=1, provider_id="18c0ffee18c0ffee", sender="eve@x.test", received_at=NOW, at=NOW,
    verdict="refused", rule="unknown-sender", decided_at=NOW, email_id=None,
)  # fmt: skip
MARIA, JOE = Known(3, "Maria Rossi"), Known(4, "Joe Smith")
OFFER = Answered(7, "Offer 12", "Ana Lima", (MARIA, JOE))
SETTINGS = AccountSettings(bcc_address="log@acme.test", forwarding_address="forward@acme.test")
REFUSING = [
    rule.id for rule in RULES if rule.effect is Effect.REFUSES and rule.part is not Part.FILES
]


def about(rule="unknown-sender", *, turned_by=(), entry=ENTRY, **more):
    given = replace(entry, rule=rule, turned_by=turned_by)
    return About(**({"entry": given, "mailbox": MAILBOX, "settings": SETTINGS} | more))


def kinds(said):
    return [each.do for each in said.actions]


@pytest.mark.parametrize("rule", REFUSING)
def test_every_refusal_has_a_sentence_and_something_to_do(rule):
    said = words(about(rule))
    assert said.verdict == "not logged"
    assert said.sentence.endswith(".")
    assert said.remedy or said.actions
    assert len(said.sentence + said.remedy) < 250


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("unknown-sender", "eve@x.test is not a contact of yours. It answers “Offer 12”, a thread that Ana Lima began."),
        ("subject-changed", "eve@x.test changed the subject of “Offer 12”, a thread that Ana Lima began."),
        ("disconnected", "It arrived on 2 March 2026, 09:00 UTC, while ana@acme.test was not connected."),
        ("not-ticked", "You sent it without the label “Log to CRM” and without log@acme.test in Bcc."),
        ("not-owner", "It answers “Offer 12”, a thread that Ana Lima began, but came to your mailbox, not to that of Ana Lima."),
        ("junk", "It answers “Offer 12”, a thread that Ana Lima began. It lies in the junk folder."),
    ],
)  # fmt: skip
def test_a_sentence_names_the_values_that_decided(rule, sentence):
    assert words(about(rule, thread=OFFER)).sentence == sentence


@pytest.mark.parametrize("rule", ["internal", "denied", "not-authentic"])
def test_what_is_put_right_in_settings_can_be_looked_at_again(rule):
    assert kinds(words(about(rule))) == [Do.AGAIN]


def test_a_contact_is_called_by_name():
    assert words(about("subject-changed", sender=MARIA)).sentence.startswith("Maria Rossi changed")


def test_a_stranger_in_a_known_thread_may_be_somebody_in_it():
    said = words(about(thread=OFFER))
    assert [(each.do, each.target) for each in said.actions] == [
        (Do.ADD_CONTACT, ""), (Do.SAME_PERSON, "3"), (Do.SAME_PERSON, "4"),
    ]  # fmt: skip
    assert said.actions[1].label == "Same person as Maria Rossi"


def test_who_has_become_a_contact_is_looked_at_again():
    assert kinds(words(about(sender=MARIA))) == [Do.AGAIN]


@pytest.mark.parametrize(
    ("rule", "first"),
    [("subject-changed", Do.FORWARD), ("not-owner", Do.FORWARD), ("unknown-thread", Do.FORWARD),
     ("disconnected", Do.FORWARD), ("junk", Do.OPEN), ("not-ticked", Do.TICK), ("not-a-reply", Do.FORWARD)],
)  # fmt: skip
def test_the_first_thing_to_do_helps(rule, first):
    assert kinds(words(about(rule)))[0] is first


def test_a_new_mail_of_a_stranger_is_logged_by_a_contact_only_where_all_known_mail_is():
    everything = replace(SETTINGS, switches=Switches(log_all_known=True))
    assert kinds(words(about("not-a-reply", settings=everything)))[0] is Do.ADD_CONTACT


def test_the_entries_of_never_log_lists_are_named_and_removable_by_whose_they_are():
    own, shared = Listed(1, "eve@x.test", True), Listed(2, "x.test", False)
    member = words(about("never-log", listed=(own, shared)))
    admin = words(about("never-log", listed=(own, shared), is_admin=True))
    assert "eve@x.test (your own list), x.test (the list of your company)" in member.sentence
    assert [each.target for each in member.actions] == ["1"]
    assert [each.target for each in admin.actions] == ["1", "2"]
    assert "An admin" in words(about("never-log", listed=(shared,))).remedy


def test_a_switch_is_offered_to_admins_with_what_it_does():
    turned = ("log_unknown_sender",)
    assert Do.ALLOW not in kinds(words(about(turned_by=turned)))
    (allow,) = [
        each
        for each in words(about(turned_by=turned, is_admin=True)).actions
        if each.do is Do.ALLOW
    ]
    assert allow.target == "log_unknown_sender"
    assert "strangers" in allow.hint


def test_every_switch_that_turns_a_refusal_is_explained():
    assert {*ALLOWS} == {*SWITCHES} - {"log_parent"}


@pytest.mark.parametrize("rule", ["unknown-sender", "junk", "subject-changed"])
def test_nothing_can_be_done_before_the_mailbox_is_connected_again(rule):
    stopped = replace(MAILBOX, status=MailboxStatus.RECONNECT)
    assert kinds(words(about(rule, mailbox=stopped, is_admin=True))) == [Do.RECONNECT]


def test_what_is_being_looked_at_again_says_so():
    said = words(about(waiting=Waiting("new-address", 0, NOW)))
    assert (said.verdict, said.actions) == ("looking again", ())


@pytest.mark.parametrize(
    ("attempts", "next_at", "verdict", "sentence", "first"),
    [
        (1, NOW, "waiting", "tried once", Do.AGAIN),
        (3, NOW + timedelta(hours=1), "waiting", "tried 3 times", Do.AGAIN),
        (60, None, "given up", "tried 60 times", Do.AGAIN),
    ],
)
def test_a_message_that_could_not_be_read_says_how_often_it_was_tried(
    attempts, next_at, verdict, sentence, first
):
    entry = replace(ENTRY, verdict="pending", rule="error")
    said = words(About(entry, MAILBOX, SETTINGS, waiting=Waiting("error", attempts, next_at)))
    assert said.verdict == verdict
    assert sentence in said.sentence
    assert kinds(said)[0] is first
    assert (Do.GIVE_UP in kinds(said)) == (next_at is None)


@pytest.mark.parametrize(
    "reason",
    ["gone", "error", "fatal", "late-root", "new-address", "duplicate", "answered", "overtaken",
     "setting"],
)  # fmt: skip
@pytest.mark.parametrize("verdict", ["pending", "refused", "logged"])
def test_a_message_that_nobody_tries_any_more_says_so_whatever_was_known_of_it(reason, verdict):
    entry = replace(ENTRY, verdict=verdict, rule="unknown-thread")
    said = words(About(entry, MAILBOX, SETTINGS, waiting=Waiting(reason, 60, None)))
    assert said.verdict == "given up"
    assert kinds(said) == [Do.AGAIN, Do.GIVE_UP]
    told = "made replylog stop three times" if reason == "fatal" else "tried 60 times"
    assert told in said.sentence
    assert ("answers none of your logged" in said.sentence) == (verdict == "refused")


@pytest.mark.parametrize("reason", ["error", "gone", "fatal"])
def test_what_a_person_gave_up_says_why_it_was_not_read(reason):
    said = words(about(reason))
    assert "given up" in said.sentence
    assert kinds(said)[0] is Do.AGAIN


def test_what_was_given_up_can_be_tried_again():
    assert kinds(words(about("error"))) == [Do.AGAIN, Do.FORWARD]


def test_a_logged_message_says_where_it_stands():
    entry = replace(ENTRY, verdict="logged", rule="reply", email_id=9)
    at = About(entry, MAILBOX, SETTINGS, stands=Stands("Re: Offer 12", (MARIA, JOE)))
    assert words(at).sentence == "→ Maria Rossi, Joe Smith · Re: Offer 12"
    hidden = About(entry, MAILBOX, SETTINGS)
    assert words(hidden).sentence == "It stands on a timeline that you may not see."


@pytest.mark.parametrize(
    ("provider", "provider_id", "found"),
    [
        ("gmail", "18c0ffee", "https://mail.google.com/mail/?authuser=ana%40acme.test#spam/18c0ffee"),
        ("gmail", "x/../y", ""),
        ("gmail", "18c0ffee#x", ""),
        ("graph", "18c0ffee", ""),
    ],
)  # fmt: skip
def test_only_a_safe_address_leads_to_the_provider(provider, provider_id, found):
    entry = replace(ENTRY, provider_id=provider_id)
    said = words(about("junk", entry=entry, mailbox=replace(MAILBOX, provider=provider)))
    assert [each.target for each in said.actions] == ([found] if found else [])


def test_a_long_subject_is_cut():
    long = replace(OFFER, subject="x" * 500)
    assert len(words(about("subject-changed", thread=long)).sentence) < 250

"""The words of explanations, with the values that decided."""

from dataclasses import replace

import pytest

from crm.model import Address, Root
from crm.rules.decide import explain
from tests.crm.test_rules import CONTEXT, MAIL, SENT, rooted, signs, when

MANY = tuple(Address(f"p{number}@x.test") for number in range(7))

# fmt: off
SAID = [
    (MAIL, CONTEXT, "disconnected", "It arrived on 02 March 2026, 12:00 UTC, while the mailbox was connected."),
    (MAIL, replace(CONTEXT, connected=()), "disconnected",
     "It arrived on 02 March 2026, 12:00 UTC, while the mailbox was not connected."),
    (MAIL, CONTEXT, "automatic", "It is written by a person; this account does not refuse it for that."),
    (replace(MAIL, signs=signs(auto_submitted="auto-replied")), when(skip_automatic=True), "automatic",
     "It is an automatic reply, and this account does not log those."),
    (replace(MAIL, signs=signs(return_path="<>")), when(skip_automatic=True), "automatic",
     "It is a delivery report, and this account does not log those."),
    (replace(MAIL, signs=signs(content_type="text/calendar")), when(skip_automatic=True), "automatic",
     "It is a calendar message, and this account does not log those."),
    (replace(MAIL, signs=signs(list_id="<x>")), when(skip_automatic=True), "automatic",
     "It is sent to a mailing list, and this account does not log those."),
    (replace(MAIL, sender=Address("ben@acme.test")), CONTEXT, "internal",
     "The sender ben@acme.test and every recipient (ana@acme.test) belong to the company itself."),
    (replace(MAIL, sender=Address("ben@acme.test"), to=()), CONTEXT, "internal",
     "The sender ben@acme.test and every recipient ((nobody)) belong to the company itself."),
    (replace(MAIL, references=("a@x", "b@x")), CONTEXT, "not-a-reply",
     "It refers to 3 earlier messages, or is logged without."),
    (replace(MAIL, in_reply_to=("lost@x",)), CONTEXT, "unknown-thread",
     "It refers to 1 earlier message, of which none is a logged e-mail."),
    (replace(MAIL, subject="Re: Lunch"), CONTEXT, "subject-changed",
     "Its subject “lunch” is not the thread's subject “offer”."),
    (replace(MAIL, in_reply_to=()), CONTEXT, "subject-changed",
     "Its subject “offer” is the thread's, or need not be."),
    (replace(MAIL, sender=Address("eve@globex.test")), CONTEXT, "unknown-sender",
     "The address eve@globex.test belongs to no contact."),
    (replace(MAIL, sender=Address("")), CONTEXT, "unknown-sender",
     "The address (unknown) belongs to no contact."),
    (SENT, CONTEXT, "sent-bcc", "The BCC address log@in.acme.test is not among its recipients."),
    (SENT, replace(CONTEXT, bcc_address=""), "sent-bcc", "The BCC address (none) is not among its recipients."),
    (SENT, CONTEXT, "sent-label", "It does not carry the label “Log to CRM”."),
    (replace(SENT, to=MANY[:5]), when(log_all_known=True), "sent-known",
     "No recipient is a contact, or mail is not logged for that alone."),
    (replace(SENT, to=(*MANY[:4], Address("cleo@globex.test"))), when(log_all_known=True), "sent-known",
     "A recipient (p0@x.test, p1@x.test, p2@x.test, p3@x.test, cleo@globex.test) is a contact, and all mail with contacts is logged."),
    (replace(SENT, to=(Address("cleo@globex.test"), *MANY)), when(log_all_known=True), "sent-known",
     "A recipient (cleo@globex.test, p0@x.test, p1@x.test, p2@x.test, p3@x.test and 3 more) is a contact, and all mail with contacts is logged."),
]
# fmt: on


@pytest.mark.parametrize(
    ("headers", "context", "rule", "sentence"),
    SAID,
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_rule_says_with_values(headers, context, rule, sentence):
    assert [said for one, _, said in explain(headers, context) if one == rule] == [sentence]


def test_a_thread_without_a_subject_is_named_so():
    said = {
        one: text
        for one, _, text in explain(replace(MAIL, subject="Lunch"), rooted(base_subject=""))
    }
    assert "“lunch”" in said["subject-changed"]
    assert "“”" in said["subject-changed"]
    assert isinstance(CONTEXT.roots["root@acme.test"], Root)

"""The kind of a message (rule `automatic`)."""

import time
from datetime import UTC, datetime

import pytest

from crm.headers import read_headers
from crm.kinds import kind, kind_of
from crm.messages import parse
from crm.model import Kind, Place, Ref
from crm.subject_marks import MARKS

DELIVERY = 'multipart/report; report-type="delivery-status"; boundary=x'
READ = "multipart/report; report-type=disposition-notification; boundary=x"
ACCEPTED = "urn:content-classes:calendarmessage"
EXCHANGE = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@globex.test"

# fmt: off
CASES: dict[str, tuple[dict[str, str], Kind]] = {
    "an ordinary reply": ({"In-Reply-To": "<a@b>", "Subject": "Re: Offer"}, Kind.REPLY),
    "a reply that passed through an inbox rule": (
        {"X-MS-Exchange-Generated-Message-Source": "Mailbox Rules Agent"}, Kind.REPLY),
    # auto-reply: RFC 3834, RFC 5436
    "Auto-Submitted: no": ({"Auto-Submitted": "No"}, Kind.REPLY),
    "Auto-Submitted: no, with a comment": ({"Auto-Submitted": "no (by hand)"}, Kind.REPLY),
    "an empty Auto-Submitted": ({"Auto-Submitted": " "}, Kind.REPLY),
    "auto-replied": ({"Auto-Submitted": "auto-replied"}, Kind.AUTO_REPLY),
    "auto-replied with parameters": ({"Auto-Submitted": "Auto-Replied; x=y"}, Kind.AUTO_REPLY),
    "auto-replied with a comment": ({"Auto-Submitted": "auto-replied(vacation)"}, Kind.AUTO_REPLY),
    "auto-generated": ({"Auto-Submitted": "auto-generated"}, Kind.AUTO_REPLY),
    "auto-notified": ({"Auto-Submitted": 'auto-notified; owner-email="a@b.test"'}, Kind.AUTO_REPLY),
    # auto-reply: what programs write
    "Gmail's vacation answer": (
        {"Auto-Submitted": "auto-replied", "Precedence": "bulk", "X-Autoreply": "yes",
         "Subject": "Away Re: Offer"}, Kind.AUTO_REPLY),
    "X-Autoreply alone": ({"X-Autoreply": "yes"}, Kind.AUTO_REPLY),
    "X-Autoreply: no": ({"X-Autoreply": "No"}, Kind.REPLY),
    "X-Autorespond of cPanel": ({"X-Autorespond": "Re: Offer"}, Kind.AUTO_REPLY),
    "X-Autoresponse": ({"X-Autoresponse": "1"}, Kind.AUTO_REPLY),
    "X-Mail-Autoreply": ({"X-Mail-Autoreply": "yes"}, Kind.AUTO_REPLY),
    "X-AutoReply-From": ({"X-AutoReply-From": "a@b.test"}, Kind.AUTO_REPLY),
    "FirstClass": ({"X-FC-MachineGenerated": "true"}, Kind.AUTO_REPLY),
    "FirstClass, written by hand": ({"X-FC-MachineGenerated": "false"}, Kind.REPLY),
    "Precedence auto_reply": ({"Precedence": "auto_reply"}, Kind.AUTO_REPLY),
    "Precedence auto-reply": ({"Precedence": " Auto-Reply "}, Kind.AUTO_REPLY),
    "X-Precedence auto_reply": ({"X-Precedence": "auto_reply"}, Kind.AUTO_REPLY),
    "an auto-reply with an empty return path": (
        {"Return-Path": "<>", "Auto-Submitted": "auto-replied"}, Kind.AUTO_REPLY),
    "a read receipt": ({"Content-Type": READ}, Kind.AUTO_REPLY),
    "a read receipt with an empty return path": ({"Content-Type": READ, "Return-Path": "<>"}, Kind.AUTO_REPLY),
    # auto-reply: by the subject alone
    "Exchange's out of office": (
        {"X-Auto-Response-Suppress": "All", "Subject": "Automatic reply: Offer"}, Kind.AUTO_REPLY),
    "Exchange's in words of its own": (
        {"X-Auto-Response-Suppress": "DR, OOF", "Subject": "Out of office until Monday"}, Kind.AUTO_REPLY),
    "the same words where nothing is suppressed": (
        {"X-Auto-Response-Suppress": "None", "Subject": "Out of office until Monday"}, Kind.REPLY),
    "suppressing answers alone": ({"X-Auto-Response-Suppress": "All"}, Kind.REPLY),
    "the German subject": ({"Subject": "Abwesenheitsnotiz: Angebot"}, Kind.AUTO_REPLY),
    "the French subject": ({"Subject": "Réponse automatique : Offre"}, Kind.AUTO_REPLY),
    "the Japanese subject": ({"Subject": "自動応答：見積"}, Kind.AUTO_REPLY),
    "the Turkish subject": ({"Subject": "OTOMATİK YANIT: Teklif"}, Kind.AUTO_REPLY),
    "a subject of nothing else": ({"Subject": "Out of Office"}, Kind.AUTO_REPLY),
    "a subject with a dash": ({"Subject": "Out of office - Cleo"}, Kind.AUTO_REPLY),
    "Gmail's way of joining subjects": ({"Subject": "Out of office Re: Offer"}, Kind.AUTO_REPLY),
    "Lotus Notes": ({"Subject": "AUTO: Cleo Smith is out of the office (returning 03/09/2026)"}, Kind.AUTO_REPLY),
    "older Lotus Notes": ({"Subject": "Cleo Smith/Globex is out of the office."}, Kind.AUTO_REPLY),
    "a question about who is out of the office": ({"Subject": "Who is out of the office?"}, Kind.REPLY),
    "a subject that names it later": ({"Subject": "Our automatic reply: new words"}, Kind.REPLY),
    "a sentence that begins so": ({"Subject": "Automatic replies: how to"}, Kind.REPLY),
    "a hyphenated word": ({"Subject": "Out of office-hours calls"}, Kind.REPLY),
    "a reply to an automatic reply": ({"Subject": "Re: Automatic reply: Offer"}, Kind.REPLY),
    "a subject of Sieve's alone": ({"Subject": "Auto: Kaufvertrag"}, Kind.REPLY),
    "a newsletter about automatic replies": (
        {"Subject": "Automatic reply: a guide", "List-Unsubscribe": "<mailto:x@b.test>"}, Kind.LIST),
    # bounce
    "a delivery report": ({"Content-Type": DELIVERY, "Auto-Submitted": "auto-replied"}, Kind.BOUNCE),
    "a delivery report in capitals": ({"Content-Type": "MULTIPART/REPORT; REPORT-TYPE=Delivery-Status"}, Kind.BOUNCE),
    "a report of another sort is no bounce": ({"Content-Type": "multipart/report; report-type=feedback-report"}, Kind.AUTO_REPLY),
    "a file named after delivery-status": ({"Content-Type": "multipart/mixed; boundary=delivery-status"}, Kind.REPLY),
    "Gmail's report": (
        {"From": "Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Auto-Submitted": "auto-replied",
         "Subject": "Delivery Status Notification (Failure)"}, Kind.BOUNCE),
    "Exchange's report": (
        {"From": f"Microsoft Outlook <{EXCHANGE}>", "Subject": "Undeliverable: Offer"}, Kind.BOUNCE),
    "Exim's report": ({"X-Failed-Recipients": "a@b.test", "Auto-Submitted": "auto-replied"}, Kind.BOUNCE),
    "the mailer daemon": ({"From": "MAILER-DAEMON@b.test"}, Kind.BOUNCE),
    "the mail daemon": ({"From": "Mail-Daemon@b.test"}, Kind.BOUNCE),
    "a person named like the daemon": ({"From": "mailer-daemons@b.test"}, Kind.REPLY),
    "a postmaster's machine": ({"From": "postmaster@b.test", "Auto-Submitted": "auto-replied"}, Kind.BOUNCE),
    "a postmaster's mail without a return path": ({"From": "postmaster@b.test", "Return-Path": "<>"}, Kind.BOUNCE),
    "a postmaster who writes by hand": ({"From": "postmaster@b.test", "Return-Path": "<postmaster@b.test>"}, Kind.REPLY),
    "the daemon of a mailing list": ({"From": "mailer-daemon@b.test", "List-Id": "<x.b.test>"}, Kind.LIST),
    "an empty return path": ({"Return-Path": "<>"}, Kind.BOUNCE),
    "a return path of spaces": ({"Return-Path": " < > "}, Kind.BOUNCE),
    "a return path to the daemon": ({"Return-Path": "<MAILER-DAEMON>"}, Kind.BOUNCE),
    "a filled return path": ({"Return-Path": "<a@b.test>"}, Kind.REPLY),
    # calendar
    "an invitation answered": ({"Content-Type": "text/calendar; method=REPLY"}, Kind.CALENDAR),
    "an invitation in capitals": ({"Content-Type": " TEXT/Calendar"}, Kind.CALENDAR),
    "Outlook's answer to an invitation": (
        {"Content-Class": ACCEPTED, "Content-Type": "multipart/alternative; boundary=x"}, Kind.CALENDAR),
    "Outlook's ordinary mail": ({"Content-Class": "urn:content-classes:message"}, Kind.REPLY),
    "Google Calendar's answer": (
        {"Message-ID": "<calendar-2f0a-11b2@google.com>", "Auto-Submitted": "auto-generated",
         "Content-Type": "multipart/mixed; boundary=x"}, Kind.CALENDAR),
    "a Message-ID that only looks like Google Calendar's": (
        {"Message-ID": "<calendar-2f0a@google.com.b.test>"}, Kind.REPLY),
    "another type that begins so": ({"Content-Type": "text/calendars"}, Kind.REPLY),
    "a calendar that bounced": (
        {"Content-Type": DELIVERY, "Content-Class": ACCEPTED}, Kind.BOUNCE),
    # list
    "List-Id": ({"List-Id": "<news.b.test>"}, Kind.LIST),
    "List-Unsubscribe, though a CRM may have sent it for one person": (
        {"List-Unsubscribe": "<mailto:x@b.test>", "In-Reply-To": "<a@b>"}, Kind.LIST),
    "List-Post": ({"List-Post": "<mailto:x@b.test>"}, Kind.LIST),
    "Precedence bulk": ({"Precedence": "Bulk"}, Kind.LIST),
    "Precedence list": ({"Precedence": "list"}, Kind.LIST),
    "Precedence junk": ({"Precedence": "junk"}, Kind.LIST),
    "another Precedence": ({"Precedence": "first-class"}, Kind.REPLY),
    "a list's automatic answer": ({"List-Id": "<x.b.test>", "Auto-Submitted": "auto-replied"}, Kind.AUTO_REPLY),
}
# fmt: on


@pytest.mark.parametrize(("fields", "expected"), CASES.values(), ids=CASES)
def test_the_headers_give_the_kind_away(fields, expected):
    pairs = ({"From": "a@b.test"} | fields).items()
    headers = read_headers(pairs, Ref("1"), Place.FOLLOWED, datetime(2026, 3, 2, tzinfo=UTC))
    assert kind(headers) is expected


CALENDAR_PARTS = {
    "an invitation beside its text": ("", "text/calendar; method=REPLY", Kind.CALENDAR),
    "one that a machine sent": ("Auto-Submitted: auto-generated", "text/calendar; method=REQUEST", Kind.CALENDAR),
    "a file of dates": ("", "text/calendar; name=dates.ics", Kind.REPLY),
    "an invitation attached as a file": ("", "text/calendar; method=REQUEST\nContent-Disposition: attachment", Kind.REPLY),
    "a page named after a calendar": ("", "text/html; method=REPLY", Kind.REPLY),
    "an invitation that bounced": ("X-Failed-Recipients: a@b.test", "text/calendar; method=REPLY", Kind.BOUNCE),
}  # fmt: skip


@pytest.mark.parametrize(("head", "part", "expected"), CALENDAR_PARTS.values(), ids=CALENDAR_PARTS)
def test_an_invitation_within_the_body_gives_the_kind_away(head, part, expected):
    raw = f"""From: a@b.test
{head or "X: y"}
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

Yes.
--b
Content-Type: {part}

BEGIN:VCALENDAR
--b--
"""
    message = parse(raw.encode(), Ref("1"), Place.FOLLOWED, datetime(2026, 3, 2, tzinfo=UTC))
    assert kind_of(message) is expected


@pytest.mark.parametrize("language", [name for name in MARKS if MARKS[name].automatic])
def test_automatic_replies_of_a_language_are_known_by_their_subject(language):
    for words in MARKS[language].automatic.split(","):
        pairs = {"From": "a@b.test", "Subject": f"{words.strip()}: Offer"}.items()
        headers = read_headers(pairs, Ref("1"), Place.FOLLOWED, datetime(2026, 3, 2, tzinfo=UTC))
        assert kind(headers) is Kind.AUTO_REPLY


def test_hostile_subjects_take_no_long_time():
    for subject in ("is out of " * 10_000, "x" * 100_000, "out of office " * 8_000):
        pairs = {"From": "a@b.test", "Subject": subject}.items()
        headers = read_headers(pairs, Ref("1"), Place.FOLLOWED, datetime(2026, 3, 2, tzinfo=UTC))
        start = time.thread_time()
        assert kind(headers) is Kind.REPLY
        assert time.thread_time() - start < 60  # hangs, on the slowest machine

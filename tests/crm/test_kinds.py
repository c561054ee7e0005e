"""The kind of a message (rule `automatic`)."""

from datetime import UTC, datetime

import pytest

from crm.headers import read_headers
from crm.kinds import kind
from crm.model import Kind, Place, Ref

REPORT = 'multipart/report; report-type="delivery-status"; boundary=x'
CASES = {
    "an ordinary reply": ({"In-Reply-To": "<a@b>"}, Kind.REPLY),
    "Auto-Submitted: no": ({"Auto-Submitted": "No"}, Kind.REPLY),
    "Auto-Submitted with parameters": ({"Auto-Submitted": "auto-replied; x=y"}, Kind.AUTO_REPLY),
    "auto-generated": ({"Auto-Submitted": "auto-generated"}, Kind.AUTO_REPLY),
    "Precedence auto_reply": ({"Precedence": "auto_reply"}, Kind.AUTO_REPLY),
    "Exchange's out of office": (
        {"X-Auto-Response-Suppress": "All", "Subject": "Automatic reply: Offer"},
        Kind.AUTO_REPLY,
    ),
    "suppressing answers alone": ({"X-Auto-Response-Suppress": "All"}, Kind.REPLY),
    "an out-of-office subject alone": ({"Subject": "Abwesenheitsnotiz: Angebot"}, Kind.AUTO_REPLY),
    "a subject that names it later": ({"Subject": "Our automatic reply"}, Kind.REPLY),
    "an auto-reply with an empty return path": (
        {"Return-Path": "<>", "Auto-Submitted": "auto-replied"},
        Kind.AUTO_REPLY,
    ),
    "a read receipt": (
        {"Content-Type": "multipart/report; report-type=disposition-notification"},
        Kind.AUTO_REPLY,
    ),
    "a delivery report": ({"Content-Type": REPORT, "Auto-Submitted": "auto-replied"}, Kind.BOUNCE),
    "an empty return path": ({"Return-Path": "<>"}, Kind.BOUNCE),
    "a filled return path": ({"Return-Path": "<a@b.test>"}, Kind.REPLY),
    "the mailer daemon": ({"From": "MAILER-DAEMON@b.test"}, Kind.BOUNCE),
    "an invitation answered": ({"Content-Type": "text/calendar; method=REPLY"}, Kind.CALENDAR),
    "List-Id": ({"List-Id": "<news.b.test>"}, Kind.LIST),
    "List-Unsubscribe": ({"List-Unsubscribe": "<mailto:x@b.test>"}, Kind.LIST),
    "Precedence bulk": ({"Precedence": "Bulk"}, Kind.LIST),
}


@pytest.mark.parametrize(("fields", "expected"), CASES.values(), ids=CASES.keys())
def test_the_headers_give_the_kind_away(fields, expected):
    pairs = ({"From": "a@b.test"} | fields).items()
    headers = read_headers(pairs, Ref("1"), Place.FOLLOWED, datetime(2026, 3, 2, tzinfo=UTC))
    assert kind(headers) is expected

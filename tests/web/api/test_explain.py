"""/explain."""

import pytest

from crm.model import Scope

REPLY = (
    "From: Maria <maria@globex.test>\nTo: ana@acme.test\nSubject: Re: Offer\n"
    "Message-ID: <a@globex.test>\nIn-Reply-To: <{root}>\n"
    "Date: Mon, 2 Mar 2026 08:59:00 +0000\n\nthe body"
)


@pytest.fixture
def box(company):
    company.contact("Maria", "maria@globex.test")
    return company.connect("ana@acme.test")


def test_a_reply_to_a_logged_e_mail_would_be_logged(program, company, box):
    root = company.mail("ana@acme.test", "maria@globex.test", "Offer", "x", bcc="log@acme.test")
    company.bring("ana@acme.test", root)
    headers = REPLY.replace("<{root}>", root["Message-ID"])

    told = program.post("/explain", mailbox_id=box.id, headers=headers)

    assert (told["verdict"], told["rule"]) == ("logged", "reply")
    assert all(each["passed"] for each in told["rules"])


def test_a_reply_to_nothing_names_the_rule_that_refuses(program, box):
    told = program.post("/explain", mailbox_id=box.id, headers=REPLY)

    assert (told["verdict"], told["rule"]) == ("refused", "unknown-thread")
    failed = [each["id"] for each in told["rules"] if not each["passed"]]
    assert failed == ["unknown-thread"]
    assert told["remedy"]


def test_what_is_no_header_is_unclear(program, box):
    assert program.post("/explain", mailbox_id=box.id, headers="hello")["verdict"] == "unclear"


def test_a_large_paste_is_taken_and_a_huge_one_refused(program, box):
    program.post("/explain", mailbox_id=box.id, headers=REPLY + "x" * 1_000_000)
    program.post("/explain", 413, mailbox_id=box.id, headers="x" * 3_000_000)


def test_it_takes_the_scope_of_the_journal(make_program, box):
    make_program(Scope.READ).post("/explain", 403, mailbox_id=box.id, headers=REPLY)


def test_a_mailbox_of_nobody_is_not_there(program, box):
    program.post("/explain", 404, mailbox_id=77, headers=REPLY)

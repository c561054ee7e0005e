"""From a logged e-mail to the same message in its owner's own mail program."""

import pytest

from tests.web import story
from tests.web.conftest import Client
from web import opening


@pytest.fixture
def told(company):
    return story.tell(company)


def test_a_mailboxs_owner_can_open_the_message_in_gmail(ana, told):
    page = ana.get(f"/emails/{told['fine']}").text

    assert "https://mail.google.com/mail/?authuser=ana%40acme.test#search/rfc822msgid%3A" in page


def test_nobody_else_is_sent_there(ben, told):
    assert "mail.google.com" not in ben.get(f"/emails/{told['fine']}").text


def test_a_pretend_google_has_no_such_page(told, make_app):
    client = Client(make_app({"gmail_api_url": "http://127.0.0.1:8090"}))
    client.sign_in()

    assert "mail.google.com" not in client.get(f"/emails/{told['fine']}").text


def test_what_a_sender_writes_as_its_id_stays_within_the_search():
    url = opening.gmail("ana+x@acme.test", 'a"#/&?<b>@evil')

    assert url == (
        "https://mail.google.com/mail/?authuser=ana%2Bx%40acme.test"
        "#search/rfc822msgid%3Aa%22%23%2F%26%3F%3Cb%3E%40evil"
    )

"""The pages under Settings, without a browser."""

import re

import pytest

from crm.store import accounts, never_log
from crm.store import settings as account_settings
from crm.tables import PendingMessage
from tests.web import story
from workers.queue import Queue


@pytest.fixture
def told(company):
    return story.tell(company)


def text_of(answer):
    """What people read of an answer."""
    main = answer.text.partition("<main")[2] or answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", main).replace("&#34;", '"').split())


def settings(company):
    with company.database.read() as conn:
        return account_settings.settings_of(conn, company.account)


def looked_at_again(company):
    """How many messages a changed setting has sent round again."""
    return company.world.number_of(PendingMessage, PendingMessage.reason == "setting")


def entries(company, address="ana@acme.test"):
    with company.database.read() as conn:
        rows = never_log.rows(conn, company.account, company.world.users[address])
    return {row.entry: row.id for row in rows}


def test_every_page_of_the_settings_leads_to_the_others(ana, company):
    for path in ("/settings", "/settings/logging", "/settings/never-log", "/settings/connection"):
        page = ana.get(path).text
        assert all(
            f'href="/settings/{name}"' in page for name in ("logging", "never-log", "connection")
        )
    assert page.count('aria-current="page"') == 2, "in the menu, and among the settings"


def test_a_switch_says_what_it_would_have_changed_and_is_turned_over(ana, company, told):
    page = ana.get("/settings/logging")
    assert "With this on, 1 message of the last 30 days would have been logged as well." in text_of(
        page
    )
    answer = ana.post("/settings/logging/switches/log_unknown_sender", {"on": "yes"})
    assert answer.status_code == 302
    assert settings(company).switches.log_unknown_sender
    assert looked_at_again(company) == 0, "nothing is unasked"
    ana.post("/settings/logging/switches/log_unknown_sender", {"on": "no"})
    assert not settings(company).switches.log_unknown_sender


def test_what_a_switch_refused_is_looked_at_again_where_that_is_asked_for(
    ana, company, told, redis
):
    ana.post("/settings/logging/switches/log_unknown_sender", {"on": "yes", "again": "on"})
    assert "being looked at again" in ana.get("/settings/logging").text
    assert looked_at_again(company) == 1
    assert Queue(redis).claim() == company.boxes["ana@acme.test"].id


def test_a_member_sees_the_settings_and_changes_none(ben, company, told):
    pages = [ben.get(f"/settings/{name}") for name in ("logging", "connection")]
    assert all("Admins change" in page.text for page in pages)
    assert "would have been logged as well" in pages[0].text
    assert [page.text.partition("<main")[2].count("<form") for page in pages] == [0, 0]


@pytest.mark.parametrize(
    "path",
    ["connection", "connection/servers", "connection/team", "logging/folders", "logging/attachments",
     "logging/switches/log_internal", "never-log/account", "never-log/account/1", "never-log/account/again",
     "domains", "domains/remove"],
)  # fmt: skip
def test_the_companys_settings_are_for_admins(ben, path):
    data = {"entries": "x.test", "domain": "acme.test", "on": "yes", "log_label": "x"}
    assert ben.post(f"/settings/{path}", data).status_code == 403


def test_an_admin_changes_label_addresses_and_lists(ana, company):
    typed = {"log_label": " To  log ", "bcc_address": "Log@Acme.example", "forwarding_address": ""}
    ana.post("/settings/connection", typed)
    ana.post(
        "/settings/connection/servers",
        {"trusted_authserv_ids": "mx.google.com\r\n\r\nmx2.acme.test"},
    )
    ana.post("/settings/connection/team", {"team_deny": "Spam.test", "team_allow": "bob@spam.test"})
    ana.post("/settings/logging/folders", {"followed_folders": "Customers\r\nProjects / Old"})
    ana.post("/settings/logging/attachments", {"attachment_limit": " 25 "})
    found = settings(company)
    assert (found.log_label, found.bcc_address) == ("To log", "log@acme.example")
    assert found.trusted_authserv_ids == ("mx.google.com", "mx2.acme.test")
    assert (found.team_deny, found.team_allow) == (("spam.test",), ("bob@spam.test",))
    assert found.followed_folders == ("Customers", "Projects/Old")
    assert (found.log_attachments, found.attachment_limit) == (False, 25)


@pytest.mark.parametrize(
    ("path", "typed", "said"),
    [
        ("connection", {"log_label": "", "bcc_address": "x@y.test"}, "needs a name"),
        ("connection", {"log_label": "L", "bcc_address": "bcc<b>"}, "not an e-mail address"),
        ("connection", {"log_label": "L", "bcc_address": "a@b.test", "forwarding_address": "A@b.test"}, "two addresses"),
        ("connection/team", {"team_deny": "nobody"}, "“nobody”"),
        ("connection/servers", {"trusted_authserv_ids": "a b"}, "mail server"),
        ("logging/folders", {"followed_folders": "a//b"}, "“a//b”"),
        ("logging/attachments", {"attachment_limit": "many"}, "whole number"),
        ("logging/attachments", {"attachment_limit": "9" * 500}, "whole number"),
        ("domains", {"domain": "gmail.com"}, "cannot be your own"),
        ("domains", {"domain": "x"}, "not a domain"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_stored(ana, company, path, typed, said):
    before = settings(company)
    answer = ana.post(f"/settings/{path}", typed)
    assert answer.status_code == 422
    assert said in answer.text
    wrong = next(value for value in typed.values() if value) if path != "connection" else "b"
    assert wrong.replace("<", "&lt;").replace(">", "&gt;")[:8] in answer.text, "it can be corrected"
    assert settings(company) == before


def test_changed_folders_are_looked_for_at_once(ana, company, told, redis):
    ana.post("/settings/logging/folders", {"followed_folders": "Customers"})
    queue = Queue(redis)
    assert all(queue.take_rewatch(box.id) for box in company.boxes.values())


def test_a_switch_that_is_none_is_not_there(ana, company):
    assert ana.post("/settings/logging/switches/visibility", {"on": "yes"}).status_code == 404


def test_own_domains_are_added_and_removed(ana, company):
    ana.post("/settings/domains", {"domain": "Acme.example"})
    ana.post("/settings/domains/remove", {"domain": "acme.test"})
    with company.database.read() as conn:
        assert accounts.domains(conn, company.account) == {"acme.example"}


def test_never_log_lists_are_the_companys_and_ones_own(ana, ben, company):
    ana.post("/settings/never-log/account", {"entries": "*.Spam.test"})
    ben.post("/settings/never-log/own", {"entries": "Mum@Home.test"})
    assert "*.spam.test" in ben.get("/settings/never-log").text
    assert "mum@home.test" not in ana.get("/settings/never-log").text
    mine = entries(company, "ben@acme.test")["mum@home.test"]
    assert ana.post(f"/settings/never-log/own/{mine}").status_code == 404
    assert ana.get(f"/settings/never-log/own/{mine}").status_code == 404
    assert ben.get(f"/settings/never-log/account/{mine}").status_code == 404
    ben.post(f"/settings/never-log/own/{mine}")
    assert entries(company, "ben@acme.test").keys() == {"*.spam.test"}


def test_a_pasted_list_says_what_became_of_each_piece(ana, company):
    ana.post("/settings/never-log/own", {"entries": "x.test"})
    answer = ana.post(
        "/settings/never-log/own", {"entries": "Bob <bob@y.test>; *@x.test\ncall me <b>"}
    )
    said = text_of(answer)
    assert "Added: bob@y.test." in said
    assert "On the list before: x.test." in said
    assert "“b”: That is neither" in said
    assert entries(company).keys() == {"x.test", "bob@y.test"}


@pytest.mark.parametrize("typed", ["", " , ", "nobody"])
def test_nothing_to_add_says_so(ana, company, typed):
    answer = ana.post("/settings/never-log/own", {"entries": typed})
    assert answer.status_code == 422
    assert (
        "bob@example.com, example.com" in text_of(answer).partition("Nothing was added")[2] or typed
    )
    assert entries(company) == {}


@pytest.mark.parametrize("part", [False, True])
def test_an_entry_shows_what_it_would_stop_before_it_is_added(ana, company, told, part):
    more = {"headers": {"HX-Request": "true"}} if part else {}
    answer = ana.post(
        "/settings/never-log/own", {"entries": "globex.test, x", "do": "preview"}, **more
    )
    said = text_of(answer)
    assert answer.status_code == 200
    assert ("<html" in answer.text) is not part
    assert re.search(r"last 30 days, \d+ would not have been logged", said)
    assert "Visit in May" in said
    assert 'href="/contacts/' in answer.text
    assert "Only what maria@globex.test writes is no longer logged." in said
    assert "“x”:" in said
    assert entries(company) == {}
    if not part:
        assert "globex.test\nx</textarea>" in answer.text, "it can be added as it stands"


def test_an_entry_that_is_there_shows_what_it_stops(ana, ben, company, told):
    ana.post("/settings/never-log/account", {"entries": "joe@initech.test"})
    where = f"/settings/never-log/account/{entries(company)['joe@initech.test']}"
    assert "It stops 1 thread :" in text_of(ben.get(where))
    part = ben.get(where, headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert "Visit in May" in part.text


def test_an_entry_taken_off_lets_in_again_what_it_refused(ana, company, told):
    ana.post("/settings/never-log/own", {"entries": "maria@globex.test"})
    answer = company.mail(story.MARIA, story.ANA, "Re: Offer 12", "Hi", answers="<m1@acme.test>")
    assert company.bring("ana@acme.test", answer) is None
    ana.post(f"/settings/never-log/own/{entries(company)['maria@globex.test']}")
    page = text_of(ana.get("/settings/never-log"))
    assert "maria@globex.test was removed. What it refused can be looked at again" in page
    assert "1 message of the last 30 days was refused by a Never Log list in your mailboxes" in page
    assert ana.post("/settings/never-log/own/again").status_code == 302
    assert looked_at_again(company) == 1


def test_a_full_list_says_so_and_keeps_what_was_typed(ana, company, monkeypatch):
    monkeypatch.setattr(never_log, "MOST", 1)
    answer = ana.post("/settings/never-log/own", {"entries": "a.test, b.test"})
    assert answer.status_code == 422
    assert "has room for 1 entries" in answer.text
    assert "a.test\nb.test</textarea>" in answer.text


def test_a_long_list_can_be_searched(ana, company):
    ana.post("/settings/never-log/own", {"entries": ", ".join(f"d{n}.test" for n in range(201))})
    page = ana.get("/settings/never-log")
    assert "The first 200 of 201 are shown." in page.text
    found = ana.get("/settings/never-log?q=D77").text
    assert "d77.test" in found
    assert "d78.test" not in found

"""Settings → Outgoing webhooks, without a browser."""

import re
from datetime import timedelta

import pytest

from crm.store import deliveries, endpoints, outbox
from crm.topics import TOPICS, State

PAGE = "/settings/webhooks"
URL = "http://127.0.0.1:9000/hook"


@pytest.fixture
def made(ana, company):
    answer = ana.post(PAGE, {"url": URL, "topics": "contact.created"})
    assert answer.status_code == 200
    return answer


def the_one(company):
    with company.database.read() as conn:
        (found,) = endpoints.rows(conn, company.account)
    return found


def logged(company, **which):
    with company.database.read() as conn:
        return deliveries.listing(conn, company.account, the_one(company).id, 50, **which).items


def fail(company, state=State.ACTIVE):
    """An event that was given up."""
    with company.database.begin() as conn:
        endpoints.send_test(conn, company.account, the_one(company).id, company.now)
        until = company.now + timedelta(minutes=1)
        for due in deliveries.claim(conn, deliveries.WEBHOOK, company.now, until, 9):
            deliveries.failed(conn, due, None, 503, "Status")


def test_an_empty_list_says_what_webhooks_are_for_and_every_topic_what_it_tells(ana):
    page = ana.get(PAGE).text
    assert "No program is told anything yet" in page
    assert all(f"<code>{topic}</code>" in page for topic in TOPICS)
    assert 'value="email.refused">' in page, "opt-in: not ticked"


def test_a_secret_is_shown_once(ana, company, made):
    (secret,) = set(re.findall(r"whsec_[\w+/=]+", made.text))
    stored = the_one(company).secrets(company.secrets, company.now)
    assert stored == [secret.replace("&#43;", "+")]
    path = f"{PAGE}/{the_one(company).id}"
    assert secret not in ana.get(path).text + ana.get(PAGE).text


@pytest.mark.parametrize("form", [{"url": "nonsense", "topics": "email.logged"}, {"url": URL}])
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(ana, company, form):
    answer = ana.post(PAGE, form)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert form["url"] in answer.text
    with company.database.read() as conn:
        assert endpoints.rows(conn, company.account) == []


def test_a_test_is_sent_and_its_outcome_shows(ana, company, made):
    path = f"{PAGE}/{the_one(company).id}"
    assert ana.post(f"{path}/test").status_code == 302
    page = ana.get(path).text
    assert "webhook.test" in page
    assert "On its way." in page
    version = re.search(r"/log\?v=(\w+)", page)[1]
    assert ana.get(f"{path}/log?v={version}").status_code == 204
    fail(company)
    again = ana.get(f"{path}/log?v={version}")
    assert "It answered with an error (503). Given up after 1 try." in " ".join(again.text.split())


def test_it_is_changed_paused_resumed_rotated_and_removed(ana, company, made):
    path = f"{PAGE}/{the_one(company).id}"
    ana.post(path, {"url": f"{URL}/2", "topics": "email.logged"})
    assert (the_one(company).url, the_one(company).topics) == (f"{URL}/2", ("email.logged",))
    ana.post(f"{path}/pause")
    assert the_one(company).state is State.PAUSED
    ana.post(f"{path}/resume")
    assert the_one(company).state is State.ACTIVE
    assert "whsec_" in ana.post(f"{path}/rotate").text
    assert len(the_one(company).secrets(company.secrets, company.now)) == 2
    assert ana.post(f"{path}/nonsense").status_code == 404
    ana.post(f"{path}/remove")
    assert ana.get(path).status_code == 404


def test_what_was_not_delivered_is_shown_and_replayed(ana, company, made):
    path = f"{PAGE}/{the_one(company).id}"
    fail(company)
    assert "1 not delivered" in ana.get(PAGE).text
    page = ana.get(f"{path}?show=dead").text
    assert "Given up after 1 try." in page
    (row,) = logged(company, dead_only=True)
    ana.post(f"{path}/replay", {"delivery": str(row.id)})
    assert logged(company, dead_only=True) == ()
    fail(company)
    ana.post(f"{path}/replay")
    assert logged(company, dead_only=True) == ()


def test_everything_of_a_day_is_replayed_on_the_endpoints_topics(ana, company, made):
    with company.database.begin() as conn:
        outbox.tell(conn, company.account, "contact.created", "c:1", {"contact_id": 1}, company.now)
        outbox.tell(conn, company.account, "email.logged", "e:1", {}, company.now)
    path = f"{PAGE}/{the_one(company).id}"
    ana.post(f"{path}/replay", {"since": "day"})
    assert "contact.created" in {each.topic for each in logged(company)}
    assert "email.logged" not in {each.topic for each in logged(company)}
    assert ana.post(f"{path}/replay", {"since": "always"}).status_code == 404


@pytest.mark.parametrize(("state", "said"), [(State.FAILING, "failed for days"), (State.GONE, "gone (410)")])  # fmt: skip
def test_admins_are_told_on_every_page_of_an_endpoint_that_stopped(
    ana, ben, company, made, state, said
):
    found = the_one(company)
    with company.database.begin() as conn:
        endpoints.pause(conn, company.account, found.id, state)
    assert said in ana.get("/contacts").text
    assert said not in ben.get("/contacts").text


@pytest.mark.parametrize("path", ["", "/1", "/1/log"])
def test_the_pages_are_for_admins(ben, path):
    assert ben.get(PAGE + path).status_code == 403


@pytest.mark.parametrize("path", ["", "/1", "/1/test", "/1/replay"])
def test_nobody_else_changes_anything(ben, path):
    assert ben.post(PAGE + path, {"url": URL, "topics": "email.logged"}).status_code == 403


def test_another_accounts_endpoint_is_not_there(ana, company):
    other = company.world.other_account()
    with company.database.begin() as conn:
        made = endpoints.add(
            conn, other.account, URL, ["email.logged"], company.secrets, company.now
        )
    assert ana.get(f"{PAGE}/{made.id}").status_code == 404
    assert ana.post(f"{PAGE}/{made.id}/remove").status_code == 404

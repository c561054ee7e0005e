"""The operator's page: what it says when all is well, and each thing that is not."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from crm.history import What
from crm.store import deliveries, endpoints, history, leases, outbox
from crm.tables import Mailbox, PendingMessage
from crm.topics import State
from providers import causes
from web.operator import HAPPENED, number
from web.runbook import ENTRIES

MINUTE = timedelta(minutes=1)


def spread(company):
    """Events are taken at once where a worker lives."""
    with company.database.begin() as conn:
        outbox.take_news(conn, company.now, 100)


def rows(client):
    """What the page says: id -> (state, text)."""
    page = client.get("/operator").text
    found = {}
    for part in page.split('<li id="row-')[1:]:
        text = " ".join(
            re.sub(r"<[^>]+>", " ", part.partition(">")[2].partition("</li>")[0]).split()
        )
        found[part.partition('"')[0]] = ("fine" if text.endswith("fine") else "look", text)
    return found


@pytest.fixture
def well(ana, company, redis):
    """An installation at work."""
    company.connect("ana@acme.test")
    spread(company)
    now = company.now
    with company.database.begin() as conn:
        leases.take(conn, "timetable", "t", now, timedelta(seconds=10))
        mine = Mailbox.account_id == company.account
        conn.execute(update(Mailbox).where(mine).values(settled_at=now, wake_at=now + MINUTE))
    redis.sadd("rq:workers", "rq:worker:a", "rq:worker:killed")
    redis.hset("rq:worker:a", "birth", "now")
    return ana


def test_a_healthy_installation_is_fine_in_every_row(well):
    found = rows(well)

    assert [each.id for each in ENTRIES] == list(found)
    assert {state for state, _ in found.values()} == {"fine"}, found
    assert "1 mailbox connected" in found["mailboxes"][1]
    assert "1 worker alive" in found["workers"][1]
    assert "sqlite answers" in found["database"][1]


def change(company, **values):
    with company.database.begin() as conn:
        conn.execute(update(Mailbox).where(Mailbox.account_id == company.account).values(values))


def stop(company):
    company.stop("ana@acme.test", causes.ADMIN_BLOCKED)


def late_watches(company):
    change(company, renew_at=company.now - timedelta(hours=1))


def unwatched(company):
    change(company, unwatched_since=company.now - MINUTE)


def block(company):
    company.connect("ben@acme.test")
    spread(company)
    change(company, blocked_until=company.now + MINUTE, wake_at=None, settled_at=company.now)


def overdue(company):
    change(company, wake_at=company.now - 2 * MINUTE)


def behind(company):
    change(company, settled_at=company.now - timedelta(hours=2))


def no_tick(company):
    with company.database.begin() as conn:
        leases.release(conn, "timetable", "t")


def give_up(company):
    row = {
        "account_id": company.account, "mailbox_id": company.boxes["ana@acme.test"].id, "provider_id": "p",
        "provider_thread": "", "reason": "error", "next_at": None, "created_at": company.now,
    }  # fmt: skip
    with company.database.begin() as conn:
        conn.execute(insert(PendingMessage).values(row))


def endpoint(company):
    with company.database.begin() as conn:
        made = endpoints.add(
            conn,
            company.account,
            "https://x.test",
            ["sequence.ended"],
            company.secrets,
            company.now,
        )
        endpoints.send_test(conn, company.account, made.id, company.now)
        return made.id


def dead(company):
    endpoint(company)
    with company.database.begin() as conn:
        until = company.now + MINUTE
        for due in deliveries.claim(conn, deliveries.WEBHOOK, company.now, until, 1):
            deliveries.failed(conn, due, None, 500, "Status")


def unsent(company):
    """A mail to Ana that was given up."""
    with company.database.begin() as conn:
        outbox.tell(conn, company.account, "mailbox.reconnect", "r:1", {}, company.now)
        told = outbox.by_key(conn, company.account, "r:1")
        outbox.take_news(conn, company.now, 1)
        deliveries.add(conn, company.account, "mail", [(told, 1)], company.now)
        for due in deliveries.claim(conn, "mail", company.now, company.now + MINUTE, 1):
            deliveries.failed(conn, due, None, None, "SMTPServerDisconnected")


def paused(company):
    made = endpoint(company)
    with company.database.begin() as conn:
        endpoints.pause(conn, company.account, made, State.FAILING)


def untold(company):
    then = company.now - timedelta(hours=2)
    with company.database.begin() as conn:
        outbox.tell(conn, company.account, "sequence.ended", "s:1", {}, then)


@pytest.mark.parametrize(
    ("fault", "row", "said"),
    [
        (stop, "mailboxes", "1 mailbox to be reconnected: "),
        (late_watches, "watches", "1 mailbox overdue"),
        (unwatched, "watches", "1 mailbox without one"),
        (block, "limits", "2 mailboxes waiting"),
        (overdue, "queue", "oldest due: 2 minutes"),
        (behind, "lag", "worst 2 hours · median 2 hours"),
        (no_tick, "timetable", "never ticked"),
        (give_up, "pending", "1 given up"),
        (dead, "outbox", "1 dead"),
        (unsent, "outbox", "1 mail not sent"),
        (paused, "outbox", "1 endpoint stopped"),
        (untold, "outbox", "oldest on its way: 2 hours"),
    ],
)
def test_each_fault_shows_in_its_row_and_in_no_other(well, company, fault, row, said):
    fault(company)
    found = rows(well)

    assert said in found[row][1]
    assert {each for each, (state, _) in found.items() if state == "look"} == {row}


def test_without_workers_the_row_says_so(well, redis):
    redis.delete("rq:worker:a")
    assert rows(well)["workers"][0] == "look"


def test_a_redis_that_is_away_is_said_and_the_rest_still_shown(make_app, company):
    from tests.web.conftest import Client

    client = Client(make_app({"redis_url": "redis://127.0.0.1:1"}))
    assert client.sign_in().status_code == 302
    found = rows(client)
    assert "does not answer" in found["redis"][1]
    assert {"redis", "workers"} <= {each for each, (state, _) in found.items() if state == "look"}
    assert "sqlite answers" in found["database"][1]


def test_repairs_of_the_last_days_are_counted_by_kind(well, company):
    box = company.boxes["ana@acme.test"].id
    with company.database.begin() as conn:
        for days in (1, 2, 9):
            then = company.now - timedelta(days=days)
            history.note(conn, company.account, box, What.CURSOR_REPAIRED, then, found=1)
    assert f"{HAPPENED[What.CURSOR_REPAIRED]}: 2" in rows(well)["repairs"][1]


def test_the_page_follows_itself_up_and_is_not_sent_again_unchanged(well, company):
    version = re.search(r"/operator/rows\?v=(\w+)", well.get("/operator").text)[1]
    assert well.get(f"/operator/rows?v={version}").status_code == 204
    stop(company)
    assert "to be reconnected" in well.get(f"/operator/rows?v={version}").text


def test_every_row_links_to_its_line_of_the_runbook_and_every_line_is_there(well):
    links = re.findall(r'href="/operator/runbook#([\w-]+)"', well.get("/operator").text)
    anchors = re.findall(r'<h2 id="([\w-]+)"', well.get("/operator/runbook").text)

    assert links == anchors == [each.id for each in ENTRIES]


@pytest.mark.parametrize("path", ["", "/rows", "/runbook"])
def test_the_page_is_for_admins(ben, path):
    assert ben.get(f"/operator{path}").status_code == 403
    assert "/operator" not in ben.get("/contacts").text


def test_numbers_end_where_they_are_not_counted_further():
    said = [number(each, "mailbox", "mailboxes") for each in (0, 1, 2, 10_000)]
    assert said == ["0 mailboxes", "1 mailbox", "2 mailboxes", "10,000 mailboxes or more"]

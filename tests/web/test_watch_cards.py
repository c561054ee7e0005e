"""What a mailbox's card and history say of watches and rules, and the button that reads them again."""

import pytest

from crm.history import What
from crm.model import Dropped
from crm.store import history, watching
from tests.web import story
from tests.web.conftest import Client
from workers.lapses import Why
from workers.queue import AWAKE, Ask, Queue

READ = "Read my rules again"


@pytest.fixture
def told(company):
    return story.tell(company)


def note(company, address, what, **facts):
    with company.database.begin() as conn:
        box = company.boxes[address]
        history.note(conn, box.account_id, box.id, what, company.now, **facts)


def test_only_a_mailbox_with_rules_offers_to_read_them(ana, ben, told):
    assert READ in ben.get("/mailboxes").text
    assert READ not in ana.get("/mailboxes").text


def test_pressing_it_rings_the_mailbox_has_rules_and_watches_looked_at_and_says_so(
    ben, told, redis
):
    answer = ben.post("/mailboxes/2/rules")
    assert (answer.status_code, answer.location) == (302, "/mailboxes")
    assert redis.zrange(AWAKE, 0, -1) == [b"2"]
    assert list(Queue(redis).take_rewatch(2)) == [Ask.PERSON]
    said = ben.get("/mailboxes").text
    assert "The rules of ben@acme.test are being read again." in said


def test_the_card_is_another_when_what_is_followed_has_changed(ben, company, told):
    version = ben.get("/mailboxes").text.partition("/mailboxes/cards?v=")[2].partition('"')[0]
    assert ben.http.get(f"/mailboxes/cards?v={version}").status_code == 204
    box = company.boxes["ben@acme.test"]
    with company.database.begin() as conn:
        watching.set_folders(conn, box.account_id, box.id, [])
    assert ben.http.get(f"/mailboxes/cards?v={version}").status_code == 200


def test_the_card_names_rules_that_microsoft_does_not_show_and_where_to_follow_by_hand(
    ana, ben, company, told
):
    version = ben.get("/mailboxes").text.partition("/mailboxes/cards?v=")[2].partition('"')[0]
    assert "does not show" not in ben.get("/mailboxes").text
    with company.database.begin() as conn:
        watching.set_hidden_rules(conn, company.boxes["ben@acme.test"], ["Odd <1>"])
    assert ben.http.get(f"/mailboxes/cards?v={version}").status_code == 200
    for person, words in (
        (ben, "ask an admin to name the folder in"),
        (ana, ">name the folder</a>"),
    ):
        text = " ".join(person.get("/mailboxes").text.split())
        assert "Microsoft does not show what this rule does: “Odd &lt;1&gt;”." in text
        assert words in text
        assert 'href="/settings/logging#followed_folders-help"' in text


@pytest.mark.parametrize(("box", "status"), [(1, 404), (9, 404)])
def test_nobody_has_the_rules_of_others_read(ben, told, box, status):
    assert ben.post(f"/mailboxes/{box}/rules").status_code in {403, status}


def test_a_mailbox_without_rules_or_one_that_is_not_connected_has_none_to_read(ana, ben, told):
    assert ana.post("/mailboxes/1/rules").status_code == 409
    ben.post("/mailboxes/2/disconnect")
    assert ben.post("/mailboxes/2/rules").status_code == 409


def test_without_redis_it_says_so(company, make_app):
    company.connect("ana@acme.test", "graph")
    client = Client(make_app({"redis_url": "redis://127.0.0.1:1"}))
    client.sign_in()
    assert client.post("/mailboxes/1/rules").status_code == 503


def test_a_card_says_why_new_mail_is_not_announced_and_what_to_do(ben, company, told):
    box = company.boxes["ben@acme.test"]
    with company.database.begin() as conn:
        watching.set_trouble(conn, box, "subscription-quota", company.now, company.now)
    text = ben.get("/mailboxes").text
    assert "New mail is not announced to us, so it is looked for every ten minutes." in text
    assert "Remove subscriptions that nobody needs" in text
    company.stop("ben@acme.test", "revoked")
    assert "is not announced to us" not in ben.get("/mailboxes").text


def test_the_history_says_it_in_plain_sentences(ben, company, told):
    for why in Why:
        note(company, "ben@acme.test", What.WATCH_REMADE, why=why.value, seconds=7200, watches=1)
    note(company, "ben@acme.test", What.WATCH_REFUSED, cause="subscription-quota")
    for dropped in Dropped:
        facts = {"folder": "A {b} <i>", "rule": "R {folder}", "why": dropped.value}
        note(company, "ben@acme.test", What.FOLDER_DROPPED, **facts)
    note(company, "ben@acme.test", What.FOLDER_FOLLOWED, folder="B", reason="hand", rule="")
    note(company, "ben@acme.test", What.FOLDER_RENAMED, folder="New", before="Old")
    note(company, "ben@acme.test", What.RULE_HIDDEN, rule="Odd")
    text = ben.get("/mailboxes/2/history").text
    for part in (
        "for 2 hours, because the subscription for it had run out",
        "for up to 2 hours, because the subscription for it had been ended by the provider",
        "for at least 2 hours, because the subscription for it was there but brought nothing",
        "for 2 hours, because the subscription for it was refused by the provider",
        "The provider makes no more subscriptions for this app or mailbox. New mail is looked for "
        "every ten minutes until it is announced again.",
        "“A {b} &lt;i&gt;” is not followed any more: the rule “R {folder}” was turned off.",
        "“B” is followed from now on, because your company follows folders of this name.",
        "“Old” is called “New” now.",
        "Microsoft does not show what your rule “Odd” does.",
    ):
        assert part in text, part
    assert text.count("is not followed any more") == len(Dropped)

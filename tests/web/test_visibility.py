"""Who sees which e-mails, over all pages: for their owner, a team mate and a stranger."""

import re

import pytest
from sqlalchemy import delete

from crm.model import Visibility
from crm.store import accounts, teams
from crm.store.visibility import restrict
from crm.tables import Email
from tests.web import story
from tests.web.company import HASH, PASSWORD
from tests.web.conftest import Client
from web.app import ROUTES

EVE = "eve@acme.test"
# What the story's e-mails are made: by the name of one, and words that only it holds.
TEAM, ALONE = ("answer", "Here is the new offer"), ("visit", "Shall we meet on 12 May?")


@pytest.fixture
def told(company):
    """The story, with one of Ana's e-mails for her team (Ben) and one for nobody but her."""
    told = story.tell(company)
    with company.database.begin() as conn:
        eve = accounts.NewUser(EVE, "Eve", "admin", HASH)
        company.world.users[EVE] = accounts.add_user(conn, company.account, eve, company.now)
        sales = teams.add_team(conn, company.account, "Sales")
        for address in ("ana@acme.test", "ben@acme.test"):
            teams.set_team(conn, company.account, company.world.users[address], sales)
    ana = company.world.viewer("ana@acme.test")
    with company.database.begin() as conn:
        restrict(conn, ana, told[TEAM[0]], Visibility.TEAM)
        restrict(conn, ana, told[ALONE[0]], Visibility.OWNER)
    return told


@pytest.fixture
def eve(told, app):
    client = Client(app)
    assert client.sign_in(EVE, PASSWORD).status_code == 302
    return client


def paths(told) -> list[str]:
    """Every page that can be asked for, with each of the ids that matter."""
    ids = {
        "contact_id": [told["maria"], told["joe"]],
        "email_id": [told[TEAM[0]], told[ALONE[0]], told["fine"]],
        "mailbox_id": [2],
    }
    found = ["/contacts?q=maria", "/search?q=seats", "/search?q=may"]
    for path, _, _, methods in ROUTES:
        name = re.search(r"<int:(\w+)>", path)
        if "GET" in methods and "<provider_path>" not in path and "<token>" not in path:
            values = ids.get(name[1], [1]) if name else [0]
            found += [re.sub(r"<int:\w+>", str(each), path, count=1) for each in values]
    return found


def seen(client: Client, told) -> dict[str, tuple[int, str]]:
    """What a person is told on every page, but for the tokens of forms."""
    answers = {path: client.get(path) for path in paths(told)}
    return {
        path: (each.status_code, re.sub(r'name="csrf_token" value="[^"]+"', "", each.text))
        for path, each in answers.items()
        if each.mimetype in {"text/html", "application/json"}
    }


def changed(before, after) -> list[str]:
    """The paths at which two answers of `seen` differ. Those of companies and deals may differ: a thread
    stands there by its root, also for people who see only the rest of the thread."""
    by_root = ("/companies/", "/deals/")
    counted = "/operator"  # numbers of the whole installation: files to be read, memory
    return [
        path
        for path, told in before.items()
        if after[path] != told and not path.startswith((*by_root, counted))
    ]


def test_a_page_tells_nothing_of_what_may_not_be_seen(company, ana, ben, eve, told):
    def remove(email_id):
        with company.database.begin() as conn:
            table = Email
            conn.execute(
                delete(table).where(table.account_id == company.account, table.id == email_id)
            )

    of_ana, of_ben, of_eve = (seen(each, told) for each in (ana, ben, eve))
    remove(told[ALONE[0]])
    assert changed(of_ben, seen(ben, told)) == []
    remove(told[TEAM[0]])
    assert changed(of_eve, seen(eve, told)) == []
    shown = [" ".join(text for _, text in each.values()) for each in (of_ana, of_ben, of_eve)]
    assert [TEAM[1] in each for each in shown] == [True, True, False]
    assert [ALONE[1] in each for each in shown] == [True, False, False]


def test_a_restricted_e_mail_is_not_there_for_others(ben, eve, told):
    for name, clients in ((TEAM[0], [eve]), (ALONE[0], [ben, eve])):
        for path in ("", "/shown", "/body", "/whole"):
            for client in clients:
                assert client.get(f"/emails/{told[name]}{path}").status_code == 404
    assert eve.post(f"/emails/{told[ALONE[0]]}/body").status_code == 404
    data = {"visibility": "everyone"}
    assert eve.post(f"/emails/{told[ALONE[0]]}/visibility", data).status_code == 404


def test_a_lock_marks_what_not_everyone_sees(ana, ben, told):
    page = f"/emails/{told[TEAM[0]]}"
    for client in (ana, ben):
        assert re.search(r'class="badge locked">.*</svg> Your team<', client.get(page).text)
    assert "locked" not in ana.get(f"/emails/{told['question']}").text


def test_the_owner_changes_who_sees_an_e_mail_where_they_read_it(ana, eve, told):
    page, visit = f"/contacts/{told['joe']}", told[ALONE[0]]
    answer = ana.post(
        f"/emails/{visit}/visibility",
        {"visibility": "everyone"},
        headers={"Referer": f"http://localhost{page}?q=x"},
    )
    assert answer.location == f"{page}#email-{visit}"
    assert "Everyone in the company sees this e-mail now." in ana.get(page).text
    assert eve.get(f"/emails/{visit}").status_code == 200
    assert eve.post(f"/emails/{visit}/visibility", {"visibility": "owner"}).status_code == 403
    away = {"Referer": "http://evil.test/somewhere"}
    answer = ana.post(f"/emails/{visit}/visibility", {"visibility": "owner"}, headers=away)
    assert answer.location == f"/emails/{visit}#email-{visit}"
    assert ana.post(f"/emails/{visit}/visibility", {"visibility": "x"}).status_code == 404


def test_a_thread_is_restricted_at_once(ana, ben, told):
    data = {"visibility": "owner", "thread": "yes"}
    ana.post(f"/emails/{told['question']}/visibility", data)
    assert "Only you see 3 e-mails now." in ana.get("/contacts").text
    for name in ("offer", "away", "question"):
        assert ben.get(f"/emails/{told[name]}").status_code == 404


def test_who_is_in_no_team_restricts_nothing_to_it(company, eve, told):
    assert "You are in no team yet" in eve.get("/settings/visibility").text
    eve.post("/settings/visibility", {"visibility": "team"})
    assert "You are in no team yet. An admin" in eve.get("/contacts").text


def test_new_e_mails_are_for_whom_their_owner_wants(company, ana, ben, told):
    ana.post("/settings/visibility", {"visibility": "owner"})
    assert "Only you see your new e-mails from now on." in ana.get("/settings/visibility").text
    new = company.mail(story.ANA, story.MARIA, "Quiet", "Hush", bcc="log@acme.test")
    made = company.bring("ana@acme.test", new)
    assert ana.get(f"/emails/{made}").status_code == 200
    assert ben.get(f"/emails/{made}").status_code == 404


def test_people_and_teams_are_for_admins(ben, told):
    assert ben.get("/settings/people").status_code == 403
    for path in ("people/1", "people/1/active", "teams", "teams/1/remove"):
        assert ben.post(f"/settings/{path}", {"name": "x"}).status_code == 403


def test_an_admin_makes_teams_and_puts_people_into_them(company, ana, ben, told):
    users = company.world.users
    ana.post("/settings/teams", {"name": "  Support  desk "})
    ana.post("/settings/teams", {"name": "Support desk"})
    page = ana.get("/settings/people").text
    assert "There is a team “Support desk” already." in page
    support = re.findall(r'<option value="(\d+)"[^>]*>Support desk', page)[0]
    ana.post(f"/settings/people/{users[EVE]}", {"role": "member", "team": support})
    assert "Eve was changed." in ana.get("/settings/people").text
    with company.database.read() as conn:
        eve = accounts.user(conn, company.account, users[EVE])
    assert (eve.role, eve.team_id) == ("member", int(support))
    ana.post(f"/settings/teams/{support}/remove")
    assert "Support desk" not in ana.get("/settings/people").text
    for data in ({"role": "king"}, {"role": "member", "team": "999"}):
        assert ana.post(f"/settings/people/{users[EVE]}", data).status_code == 404


def test_whoever_is_deactivated_is_out_at_once_and_some_admin_stays(company, ana, eve, told):
    users = company.world.users
    ana.post(f"/settings/people/{users[EVE]}/active", {})
    assert eve.get("/contacts").location.startswith("/sign-in")
    assert "cannot sign in" in ana.get("/settings/people").text
    herself = f"/settings/people/{users['ana@acme.test']}"
    assert ana.post(f"{herself}/active", {}).status_code == 404
    ana.post(herself, {"role": "member"})
    assert "Somebody must stay an admin" in ana.get("/settings/people").text
    ana.post(f"/settings/people/{users[EVE]}/active", {"active": "yes"})
    assert Client(eve.app).sign_in(EVE).status_code == 302

"""/settings and /never-log."""

import pytest

from crm.model import Scope

WRONG = [
    ({"log_internal": "yes"}, "log_internal"),
    ({"log_everything": True}, "log_everything"),
    ({"bcc_address": "nonsense"}, "bcc_address"),
    ({"attachment_limit": 0}, "attachment_limit"),
    ({"team_deny": "x.test"}, "team_deny"),
]


def test_settings_are_read_and_changed_by_name(program):
    before = program.get("/settings")
    assert before["log_all_known"] is False
    assert before["log_label"] == "Log to CRM"
    assert before["own_domains"] == ["acme.test"]

    changed = program.patch("/settings", log_all_known=True, team_deny=["*.spam.test"])

    assert changed == before | {"log_all_known": True, "team_deny": ["*.spam.test"]}
    assert program.get("/settings") == changed


def test_a_preview_counts_what_a_switch_would_have_changed(program, company):
    company.connect("ana@acme.test")
    company.contact("Maria", "maria@globex.test")
    company.bring("ana@acme.test", company.mail("maria@globex.test", "ana@acme.test", "New", "x"))

    found = {each["name"]: each for each in program.get("/settings/preview")["items"]}

    assert found["log_all_known"] == {"name": "log_all_known", "more": 1, "fewer": 0}
    assert found["log_internal"]["more"] == 0


@pytest.mark.parametrize(("change", "name"), WRONG)
def test_a_wrong_setting_is_named_and_nothing_is_stored(program, change, name):
    before = program.get("/settings")

    problem = program.patch("/settings", 422, **change, skip_automatic=True)

    assert list(problem["errors"]) == [name]
    assert program.get("/settings") == before


def test_settings_take_their_own_scope(make_program):
    reader = make_program(Scope.READ, Scope.WRITE)
    reader.get("/settings", 403)
    reader.patch("/settings", 403, log_internal=True)
    reader.get("/never-log", 403)


def test_never_log_entries_are_added_listed_and_removed(program):
    made = program.post("/never-log", 201, entry=" *.Spam.test ")
    assert made == {"id": made["id"], "entry": "*.spam.test", "scope": "account"}
    assert program.post("/never-log", 201, entry="*.spam.test") == made
    assert program.get("/never-log")["items"] == [made]

    program.delete(f"/never-log/{made['id']}")

    assert program.get("/never-log")["items"] == []
    program.delete(f"/never-log/{made['id']}", 404)


def test_a_users_own_entries_are_named_by_the_user(program):
    own = program.post("/never-log", 201, entry="bob@x.test", scope="user", user="ana@acme.test")

    assert own["scope"] == "user"
    assert program.get("/never-log")["items"] == []
    assert program.get("/never-log", user="ana@acme.test")["items"] == [own]
    program.delete(f"/never-log/{own['id']}", 404)
    program.ask("DELETE", f"/never-log/{own['id']}?user=ana@acme.test", 204)


@pytest.mark.parametrize(
    "body",
    [
        {"entry": "nonsense"},
        {"entry": ""},
        {"entry": "x.test", "scope": "world"},
        {"entry": "x.test", "scope": "user"},
        {"entry": "x.test", "scope": "user", "user": "nobody@acme.test"},
    ],
)
def test_a_wrong_entry_is_explained(program, body):
    program.post("/never-log", 422, **body)
    assert program.get("/never-log")["items"] == []


def test_a_preview_of_an_entry_adds_nothing(program, company):
    company.connect("ana@acme.test")
    maria = company.contact("Maria", "maria@globex.test")
    offer = company.mail("ana@acme.test", "maria@globex.test", "Offer", "x", bcc="log@acme.test")
    company.bring("ana@acme.test", offer)

    told = program.post("/never-log/preview", entry="globex.test")

    assert (told["emails"], told["threads"]) == (1, 1)
    assert [(each["subject"], each["contact_ids"]) for each in told["shown"]] == [
        ("Offer", [maria])
    ]
    assert program.post("/never-log/preview", entry="other.test")["threads"] == 0
    assert program.get("/never-log")["items"] == []

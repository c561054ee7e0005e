"""/contacts."""

import pytest

from tests.web.conftest import both

WRONG = [
    ({"name": "Maria"}, 422, "emails"),
    ({"emails": []}, 422, "emails"),
    ({"emails": ["nonsense"]}, 422, "not an e-mail address"),
    ({"emails": ["a@b.test"], "company_id": 999}, 422, "no such company"),
    ({"emails": ["a@b.test"], "colour": "red"}, 422, "colour"),
    ({"emails": "a@b.test"}, 422, "emails"),
    ({"emails": ["a@b.test"], "name": "x" * 201}, 422, "name"),
]


@both
def test_a_contact_is_added_found_changed_and_removed(program):
    made = program.post("/contacts", 201, name="Maria Rossi", emails=["Maria@Globex.test"])
    assert made == {
        "id": made["id"],
        "name": "Maria Rossi",
        "emails": ["maria@globex.test"],
        "company_id": None,
    }
    path = f"/contacts/{made['id']}"
    assert program.get(path) == made
    assert program.get("/contacts", email="MARIA@globex.test")["items"] == [made]
    assert program.get("/contacts", q="ross")["items"] == [made]
    assert program.get("/contacts", q="bob")["items"] == []

    changed = program.patch(path, name="Maria Verdi", emails=["m@globex.test", "mv@globex.test"])
    assert changed["name"] == "Maria Verdi"
    assert changed["emails"] == ["m@globex.test", "mv@globex.test"]
    assert program.get(path) == changed

    program.delete(path)
    program.get(path, 404)
    program.delete(path, 404)


@pytest.mark.parametrize(("body", "status", "word"), WRONG)
def test_a_wrong_contact_is_explained_and_not_added(program, body, status, word):
    problem = program.post("/contacts", status, **body)

    assert word in str(problem)
    assert program.get("/contacts")["items"] == []


def test_an_address_of_another_contact_names_that_contact(program, company):
    maria = company.contact("Maria", "maria@globex.test")

    problem = program.post("/contacts", 409, emails=["maria@globex.test"])

    assert problem["contact_id"] == maria


def test_a_list_goes_on_where_the_last_page_ended(program, company):
    for name in ("Ada", "Bob", "Cleo"):
        company.contact(name, f"{name.lower()}@globex.test")

    first = program.get("/contacts", limit=2)
    rest = program.get("/contacts", limit=2, cursor=first["next"])

    assert [each["name"] for each in first["items"]] == ["Ada", "Bob"]
    assert [each["name"] for each in rest["items"]] == ["Cleo"]
    assert rest["next"] is None


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"limit": 0}, {"limit": 201}, {"limit": "x"}])
def test_a_wrong_window_is_explained(program, query):
    status = 400 if "cursor" in query else 422

    assert next(iter(query)) in str(program.get("/contacts", status, **query))


ODD = ["a\0b", "\ud800", "x" * 150, "'; DROP TABLE contact; --", "%", "_"]


@both
def test_odd_text_breaks_nothing(program):
    for number, odd in enumerate(ODD):
        made = program.post("/contacts", 201, name=odd, emails=[f"odd{number}@globex.test"])
        assert program.get(f"/contacts/{made['id']}")["id"] == made["id"]
        program.get("/contacts", q=odd.encode("utf-8", "replace").decode())
        program.get("/contacts", email=odd.encode("utf-8", "replace").decode())


@both
def test_a_removed_contact_takes_the_mail_along_that_nobody_else_has(program, company):
    company.connect("ana@acme.test")
    maria = company.contact("Maria", "maria@globex.test")
    bob = company.contact("Bob", "bob@globex.test")
    both = company.mail("ana@acme.test", "maria@globex.test, bob@globex.test", "Both", "x",
                        bcc="log@acme.test")  # fmt: skip
    one = company.mail("ana@acme.test", "maria@globex.test", "One", "x", bcc="log@acme.test")
    company.bring("ana@acme.test", both)
    company.bring("ana@acme.test", one)

    program.delete(f"/contacts/{maria}")

    with company.database.read() as conn:
        subjects = conn.exec_driver_sql("SELECT subject FROM email").scalars().all()
        threads = conn.exec_driver_sql("SELECT subject FROM thread").scalars().all()
    assert subjects == threads == ["Both"]
    assert program.get(f"/contacts/{bob}")["name"] == "Bob"


def test_two_contacts_become_one_and_the_old_id_leads_there(program, company):
    maria = company.contact("Maria Rossi", "maria@globex.test")
    twin = company.contact("M. Rossi", "m.rossi@globex.test")

    merged = program.post(f"/contacts/{maria}/merge", contact_id=twin)

    assert merged["name"] == "Maria Rossi"
    assert merged["emails"] == ["maria@globex.test", "m.rossi@globex.test"]
    assert program.get(f"/contacts/{twin}", 404)["contact_id"] == maria
    assert program.post(f"/contacts/{maria}/merge", contact_id=twin) == merged
    program.post(f"/contacts/{maria}/merge", 404, contact_id=77)

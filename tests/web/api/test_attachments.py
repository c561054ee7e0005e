"""/emails/{id}/attachments/{id}."""

import pytest
from sqlalchemy import update

from crm.model import Scope, Visibility
from crm.tables import Email
from infra.blobs import Blobs
from tests.web.test_files import Desk

TYPE = "application/pdf"


@pytest.fixture
def desk(company, web_settings):
    return Desk(company, Blobs(web_settings))


def test_an_attachment_is_listed_and_downloaded(program, desk):
    email_id = desk.answer(("Offer 12.pdf", TYPE, b"%PDF " * 100))
    (file,) = program.get(f"/emails/{email_id}")["attachments"]

    assert file == {
        "id": file["id"], "filename": "Offer 12.pdf", "content_type": TYPE, "size": 500,
        "inline": False, "state": "stored",
    }  # fmt: skip
    answer = program.raw(f"/emails/{email_id}/attachments/{file['id']}")
    assert answer.data == b"%PDF " * 100
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.content_type == "application/octet-stream"
    assert program.get(f"/contacts/{desk.maria}/timeline")["items"][0]["has_attachments"] is True


def test_a_file_that_is_not_kept_is_a_problem(program, desk):
    email_id = desk.answer(("Offer 12.pdf", TYPE, b"x"), keep=False)
    (file,) = program.get(f"/emails/{email_id}")["attachments"]

    assert file["state"] == "waiting"
    assert program.get(f"/emails/{email_id}/attachments/{file['id']}", 404)["status"] == 404


def test_a_file_of_a_restricted_e_mail_takes_a_key_that_may_see_it(program, make_program, desk):
    email_id = desk.answer(("Offer 12.pdf", TYPE, b"x"))
    path = f"/emails/{email_id}/attachments/{desk.numbers['Offer 12.pdf']}"
    with desk.company.database.begin() as conn:
        mine = Email.account_id == desk.company.account
        conn.execute(update(Email).where(mine).values(visibility=Visibility.OWNER))

    program.get(path, 404)
    assert make_program(Scope.READ, Scope.RESTRICTED).raw(path).data == b"x"

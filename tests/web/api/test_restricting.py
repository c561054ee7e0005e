"""A program decides who may see an e-mail."""

from sqlalchemy import update

from crm.model import Scope
from crm.tables import Email
from tests.web import story


def test_a_program_decides_who_sees_an_e_mail(company, make_program):
    told = story.tell(company)
    path = f"/emails/{told['offer']}"
    program, trusted = make_program(), make_program(*Scope)

    assert program.patch(path, visibility="owner")["visibility"] == "owner"

    program.get(path, 404)
    program.patch(path, 404, visibility="everyone")
    assert trusted.patch(path, visibility="everyone") == program.get(path)


def test_an_e_mail_is_not_hidden_from_everybody(company, make_program):
    told = story.tell(company)
    with company.database.begin() as conn:
        conn.execute(update(Email).where(Email.account_id == company.account).values(owner_id=None))

    make_program().patch(f"/emails/{told['offer']}", 409, visibility="owner")


def test_an_e_mail_goes_to_no_team_that_is_not_there(company, program):
    path = f"/emails/{story.tell(company)['offer']}"

    program.patch(path, 409, visibility="team")
    program.patch(path, 422, visibility="nobody")
    assert program.get(path)["visibility"] == "everyone"


def test_a_program_that_may_only_read_hides_nothing(company, make_program):
    path = f"/emails/{story.tell(company)['offer']}"

    make_program(Scope.READ).patch(path, 403, visibility="owner")

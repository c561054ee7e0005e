"""Programs that use the API of a small company."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from crm.model import USUAL_SCOPES, Scope
from crm.store import api_keys
from tests.web.company import Company
from tests.web.conftest import *  # noqa: F403 - the same company, Redis and application


class Program:
    """A caller with a key; answers are parsed."""

    def __init__(self, app: Flask, key: str) -> None:
        self.http = app.test_client()
        self.head = {"Authorization": f"Bearer {key}"} if key else {}

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """The JSON of an answer, whose status must be `status`."""
        answer = self.http.open(f"/api/v1{path}", method=method, headers=self.head, **more)
        assert answer.status_code == status, answer.text
        return answer.get_json(force=True) if answer.data else None

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return self.ask("GET", path, status, query_string=query)

    def raw(self, path: str) -> Any:
        """The answer of a path that gives no JSON."""
        return self.http.get(f"/api/v1{path}", headers=self.head)

    def post(self, path: str, status: int = 200, **body: Any) -> Any:
        return self.ask("POST", path, status, json=body)

    def patch(self, path: str, status: int = 200, **body: Any) -> Any:
        return self.ask("PATCH", path, status, json=body)

    def delete(self, path: str, status: int = 204) -> Any:
        return self.ask("DELETE", path, status)


MakeProgram = Callable[..., Program]


@pytest.fixture
def make_program(app: Flask, company: Company) -> MakeProgram:
    """A program whose key has these scopes, the usual ones by default."""

    def make(*scopes: Scope) -> Program:
        with company.database.begin() as conn:
            name = "+".join(scopes) or "usual"
            key = api_keys.add_key(conn, company.account, name, scopes or USUAL_SCOPES, company.now)
        return Program(app, key)

    return make


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    return make_program()

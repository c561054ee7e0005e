"""Puts the API into the web application. The whole map of it is `RESOURCES`."""

from http import HTTPStatus
from typing import Any

from flask import Flask
from flask_smorest import Api, Blueprint

from crm.model import Scope
from web.api import (
    contacts,
    emails,
    explain,
    journal,
    keys,
    mailboxes,
    never_log,
    problems,
    settings,
    timelines,
    webhook_endpoints,
)
from web.security import csrf

RESOURCES: tuple[tuple[Blueprint, Scope, Scope], ...] = (  # resource, scope to read, to write
    (contacts.blueprint, Scope.READ, Scope.WRITE),
    (timelines.blueprint, Scope.READ, Scope.WRITE),
    (emails.blueprint, Scope.READ, Scope.WRITE),
    (mailboxes.blueprint, Scope.READ, Scope.WRITE),
    (journal.blueprint, Scope.JOURNAL, Scope.JOURNAL),
    (explain.blueprint, Scope.JOURNAL, Scope.JOURNAL),
    (settings.blueprint, Scope.SETTINGS, Scope.SETTINGS),
    (never_log.blueprint, Scope.SETTINGS, Scope.SETTINGS),
    (webhook_endpoints.blueprint, Scope.SETTINGS, Scope.SETTINGS),
)


class _Api(Api):  # type: ignore[misc] # ships no types
    """The library's OpenAPI document, with errors as in `web.api.problems`."""

    def _register_error_handlers(self) -> None:
        """None: `web.errors` answers for the whole application."""

    def _register_responses(self) -> None:
        """Every error is a problem document."""
        body = {"content": {problems.TYPE: {"schema": problems.ProblemSchema}}}
        names = {status.name: status.phrase for status in HTTPStatus}
        for name, words in (names | {"DEFAULT_ERROR": "Any error"}).items():
            self.spec.components.response(name, {"description": words, **body}, lazy=True)


def register(app: Flask) -> None:
    """Add the resources, and their description at /api/v1/openapi.json."""
    app.config.update(
        API_TITLE="replylog",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=problems.ROOT,
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": "Contacts in, timelines out, and why mail was not logged."},
            "security": [{"key": []}],
        },
    )
    api = _Api(app)
    api.spec.components.security_scheme("key", {"type": "http", "scheme": "bearer"})
    for blueprint, read, write in RESOURCES:
        csrf.exempt(blueprint)  # no cookie is of use there
        api.register_blueprint(blueprint, url_prefix=problems.ROOT + blueprint.url_prefix)
        app.before_request_funcs.setdefault(blueprint.name, []).append(_guard(read, write))


def _guard(read: Scope, write: Scope) -> Any:
    def require() -> None:
        keys.require(read, write)

    return require

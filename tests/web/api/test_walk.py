"""A walk over the API by its own document: whatever is sent, nothing breaks, and every answer is as the
document says. `pytest tests/web/api/test_walk.py --hypothesis-profile=long --timeout=0` walks further.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.test import TestResponse

from crm.model import Scope
from tests.web import story

CALLS = 500
STRANGE_TEXTS = ("", " ", "\x00", "\ud800", "²", "٣", "-1", "9" * 30, "0" * 9, "%_\\", "a@", "@a",
                 "x" * 20_000, "<b>'\"", "שלום", "a\r\nb: c", "ana@acme.test", "*.globex.test",
                 "maria@globex.test", "https://crm.example.com/", "http://[", "https://:0/",
                 "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")  # fmt: skip
STRANGE_NUMBERS = (-1, 0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**63, 10**40, 1.5, 1e400, -0.0)
STRANGE_IDS = ("0", "-1", "abc", "9" * 30, "2147483648", "%00", "1/")
STRANGE_BODIES = (
    b"{",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\xff",
    b"null",
    b"\xef\xbb\xbf{}",
    b'"',
)
TYPES = st.sampled_from(("application/json",) * 9 + ("text/plain", "application/xml"))

texts = st.sampled_from(STRANGE_TEXTS) | st.text(max_size=8)
numbers = st.sampled_from(STRANGE_NUMBERS)
plain = st.none() | st.booleans() | numbers | texts
anything = plain | st.lists(plain, max_size=3) | st.dictionaries(texts, plain, max_size=3)


@dataclass(frozen=True)
class Call:
    """A request, and the operation of the document that it is of."""

    operation: dict[str, Any] = field(repr=False)
    method: str
    path: str
    query: dict[str, Any]
    body: bytes
    type: str


class Document:
    """The OpenAPI document, as a source of calls and as a judge of answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.components = document["components"]
        self.operations = [
            (path, method, self._whole(about))
            for path, found in document["paths"].items()
            for method, about in found.items()
            if method != "parameters"
        ]

    def _whole(self, about: dict[str, Any]) -> dict[str, Any]:
        answers = about["responses"].items()
        return about | {"responses": {status: self.found(each) for status, each in answers}}

    def found(self, node: dict[str, Any]) -> dict[str, Any]:
        """What a reference leads to, or the node itself."""
        while "$ref" in node:
            _, _, kind, name = node["$ref"].split("/")
            node = self.components[kind][name]
        return node

    def fitting(self, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        """Values that a schema allows, or nearly."""
        schema = self.found(schema)
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        kinds = schema.get("type", "object")
        kind = kinds[0] if isinstance(kinds, list) else kinds
        if kind == "array":
            return st.lists(self.fitting(schema["items"]), max_size=3)
        if kind == "object":
            named = schema.get("properties", {})
            fields = {name: self.fitting(each) | plain for name, each in named.items()}
            needed = {name: fields[name] for name in schema.get("required", ())}
            return st.fixed_dictionaries(needed, optional={
                name: each for name, each in fields.items() if name not in needed
            })  # fmt: skip
        known = {"integer": st.integers(1, 9), "number": numbers, "boolean": st.booleans()}
        return known.get(kind, texts)

    def calls(self) -> st.SearchStrategy[Call]:
        return st.sampled_from(self.operations).flatmap(lambda each: self._calls(*each))

    def _calls(self, path: str, method: str, operation: dict[str, Any]) -> st.SearchStrategy[Call]:
        query = {
            each["name"]: self.fitting(each["schema"]) | texts
            for each in map(self.found, operation.get("parameters", ()))
            if each["in"] == "query"
        }
        row_ids = st.integers(1, 9).map(str) | st.sampled_from(STRANGE_IDS)
        holes = st.lists(row_ids, min_size=2, max_size=2).map(iter)
        asked = operation.get("requestBody", {}).get("content", {}).get("application/json")
        bodies = st.just(b"") | st.sampled_from(STRANGE_BODIES) | anything.map(_json)
        fitting = self.fitting(asked["schema"]).map(_json) if asked else st.just(b"")
        return st.builds(
            Call,
            operation=st.just(operation),
            method=st.just(method),
            path=holes.map(lambda given: re.sub(r"\{\w+\}", lambda _: next(given), path)),
            query=st.fixed_dictionaries({}, optional=query),
            body=fitting | fitting | bodies,
            type=TYPES,
        )

    def judge(self, call: Call, answer: TestResponse) -> None:
        """Raises AssertionError where an answer is not as the document says."""
        said = call.operation["responses"]
        about = said.get(str(answer.status_code))
        if about is None:
            assert answer.status_code >= 400, f"{answer.status_code} is not in the document"
            about = said["default"]
        content = about.get("content", {})
        if not content:
            assert answer.data in {b"", b"null\n"}, answer.data[:100]
            return
        assert {answer.mimetype, "*/*"} & set(content)
        if answer.mimetype.endswith("json"):
            schema = {"components": self.components, **content[answer.mimetype]["schema"]}
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(answer.json)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def test_whatever_is_sent_is_answered_as_the_document_says(app, company, make_program):
    story.tell(company)
    document = Document(app.test_client().get("/api/v1/openapi.json").get_json())
    program = make_program(*Scope)

    @settings(max_examples=max(CALLS, settings.default.max_examples))
    @given(document.calls())
    def walk(call: Call) -> None:
        answer = program.http.open(
            call.path, method=call.method.upper(), query_string=_encodable(call.query),
            data=call.body, content_type=call.type if call.body else None, headers=program.head,
        )  # fmt: skip
        assert answer.status_code < 500, (
            f"{call.method} {call.path} {call.query} {call.body[:200]!r}"
        )
        document.judge(call, answer)
        answer.close()

    walk()


def _encodable(query: dict[str, Any]) -> dict[str, str]:
    return {name: str(each).encode(errors="replace").decode() for name, each in query.items()}

"""Whatever answers in a provider's place, and not in its form, ends no consent."""

import json
from datetime import UTC, datetime

import httplib2
import requests
from googleapiclient.errors import HttpError
from hypothesis import given
from hypothesis import strategies as st

from providers import oauth
from providers.client import Reconnect, Retry
from providers.gmail import errors as gmail
from providers.graph import errors as graph

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
NAMES = st.text(max_size=10).filter(lambda name: name != "error")
PAGES = st.one_of(
    st.binary(max_size=60),
    st.just(b"<html><title>Welcome to the hotel</title></html>"),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(NAMES, JSON, max_size=3).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"error": PLAIN}).map(lambda value: json.dumps(value).encode()),
)
STATUSES = st.integers(300, 599)


@given(STATUSES, PAGES, st.sampled_from(graph.About))
def test_graph(status: int, page: bytes, about: graph.About) -> None:
    assert not isinstance(graph.failure(status, {}, page, about), Reconnect)


@given(STATUSES, PAGES, st.sampled_from(gmail.About))
def test_gmail(status: int, page: bytes, about: gmail.About) -> None:
    error = HttpError(httplib2.Response({"status": status}), page)
    assert not isinstance(gmail.meaning(gmail.read(error, about, NOW)), Reconnect)


@given(st.integers(100, 599), PAGES)
def test_a_token_endpoint(status: int, page: bytes) -> None:
    """Its own form of a refusal is an object with the text `error` and the status 400, 401 or 403."""
    answer = requests.Response()
    answer.status_code, answer._content = status, page
    try:
        found = oauth._understood(answer)
    except Retry:
        return
    except oauth._Refused:
        assert status in {400, 401, 403}
        assert isinstance(json.loads(page)["error"], str)
        return
    assert found.status_code == 200

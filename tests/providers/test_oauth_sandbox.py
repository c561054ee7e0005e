"""The whole consent at the pretend Google, as a person goes through it."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from providers import causes, oauth
from providers.client import Operator, Reconnect
from providers.registry import open_client
from tests.providers.gmail_rig import LABELS, READ, settings_for
from tests.sandbox_process import Sandbox

BACK = "http://127.0.0.1:8080/connect/google/callback"


class Held:
    def __init__(self, token: str) -> None:
        self._token = token

    def token(self, fresh: bool = False) -> str:
        return self._token


def decide(sandbox: Sandbox, url: str, **more) -> dict[str, str]:
    """What the callback is called with after the person's decision."""
    body = {"url": url, "address": "ana@acme.test"} | more
    location = sandbox.post("/control/google/authorize", **body)["location"]
    return dict(parse_qsl(urlsplit(location).query))


def connected(sandbox: Sandbox, **more) -> oauth.Grant:
    settings = settings_for(sandbox)
    flow = oauth.begin("gmail", settings, BACK, "ana@acme.test")
    return oauth.finish("gmail", settings, BACK, flow, decide(sandbox, flow.url, **more))


def test_a_person_who_agrees_is_connected(sandbox):
    grant = connected(sandbox)
    assert grant.address == "ana@acme.test"
    assert grant.subject
    client = open_client("gmail", Held(grant.tokens.access_token), settings_for(sandbox))
    assert client.baseline()
    client.close()


def test_connecting_again_gives_a_refresh_token_again(sandbox):
    first, second = connected(sandbox), connected(sandbox)
    assert first.tokens.refresh_token != second.tokens.refresh_token
    assert first.subject == second.subject


@pytest.mark.parametrize(
    ("decision", "cause"),
    [({"decision": "deny"}, causes.CONSENT_DENIED), ({"scopes": []}, causes.SCOPE_MISSING)],
)
def test_a_person_who_does_not_agree_is_told_what_is_missing(sandbox, decision, cause):
    with pytest.raises(Reconnect) as caught:
        connected(sandbox, **decision)
    assert caught.value.cause == cause


def test_without_the_permission_for_labels_mail_is_read_all_the_same(sandbox):
    grant = connected(sandbox, scopes=[READ])
    client = open_client("gmail", Held(grant.tokens.access_token), settings_for(sandbox))
    assert client.baseline()
    with pytest.raises(Reconnect) as caught:
        client.ensure_label("Log to CRM")
    assert caught.value.cause == causes.SCOPE_MISSING
    client.close()


def test_the_permission_for_labels_does_not_stand_for_that_of_reading(sandbox):
    with pytest.raises(Reconnect) as caught:
        connected(sandbox, scopes=[LABELS])
    assert caught.value.cause == causes.SCOPE_MISSING


def test_a_code_is_worth_nothing_without_its_verifier(sandbox):
    settings = settings_for(sandbox)
    flow, other = (oauth.begin("gmail", settings, BACK) for _ in range(2))
    args = decide(sandbox, flow.url)
    with pytest.raises(Reconnect):
        oauth.finish(
            "gmail", settings, BACK, oauth.Flow(flow.url, flow.state, other.verifier), args
        )


def test_tokens_are_renewed_until_the_consent_is_given_back(sandbox):
    settings = settings_for(sandbox)
    tokens = connected(sandbox).tokens
    renewed = oauth.refresh("gmail", settings, tokens)
    assert renewed.access_token != tokens.access_token
    assert renewed.refresh_token == tokens.refresh_token
    oauth.revoke("gmail", settings, renewed)
    oauth.revoke("gmail", settings, renewed)
    with pytest.raises(Reconnect) as caught:
        oauth.refresh("gmail", settings, renewed)
    assert caught.value.cause == causes.REVOKED


def test_a_wrong_secret_is_the_operators(sandbox):
    tokens = connected(sandbox).tokens
    settings = settings_for(sandbox).model_copy(update={"google_client_id": "another"})
    with pytest.raises(Operator):
        oauth.refresh("gmail", settings, tokens)


def test_an_unknown_provider_has_no_client(sandbox):
    with pytest.raises(ValueError, match="no such provider"):
        open_client("pop3", Held("x"), settings_for(sandbox))

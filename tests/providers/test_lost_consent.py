"""Each cause of a lost consent, as the pretend Google and Microsoft play it."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from providers import causes, oauth
from providers.client import Operator, ProviderError, Reconnect, Retry
from tests.providers import gmail_rig, graph_rig
from tests.providers.gmail_rig import READ, GmailRig
from tests.providers.graph_rig import GraphRig
from tests.providers.graph_stub import Reply, Stub, serving
from tests.sandbox_process import Sandbox

ENTRA = {
    50034: causes.MAILBOX_GONE,
    50053: causes.ACCOUNT_LOCKED,
    50055: causes.PASSWORD_CHANGED,
    50057: causes.ACCOUNT_DISABLED,
    50058: causes.SIGN_IN,
    50072: causes.MFA,
    50074: causes.MFA,
    50076: causes.MFA,
    50078: causes.MFA,
    50079: causes.MFA,
    50089: causes.EXPIRED,
    50105: causes.NOT_ASSIGNED,
    50132: causes.PASSWORD_CHANGED,
    50133: causes.PASSWORD_CHANGED,
    50144: causes.PASSWORD_CHANGED,
    50158: causes.MFA,
    50173: causes.REVOKED,
    53000: causes.CONDITIONAL_ACCESS,
    53001: causes.CONDITIONAL_ACCESS,
    53002: causes.CONDITIONAL_ACCESS,
    53003: causes.CONDITIONAL_ACCESS,
    53004: causes.CONDITIONAL_ACCESS,
    53999: causes.CONDITIONAL_ACCESS,
    530003: causes.CONDITIONAL_ACCESS,
    530084: causes.CONDITIONAL_ACCESS,
    65001: causes.CONSENT_MISSING,
    65004: causes.CONSENT_DENIED,
    70000: causes.REVOKED,
    700003: causes.CONDITIONAL_ACCESS,
    70008: causes.EXPIRED,
    70043: causes.SESSION_ENDED,
    700082: causes.EXPIRED,
    700084: causes.TIME_LIMITED,
    90093: causes.ADMIN_CONSENT,
    90094: causes.ADMIN_CONSENT,
    90095: causes.ADMIN_CONSENT,
    999999: causes.REVOKED,
}
OURS = {
    7000215: causes.CLIENT_SECRET,
    7000216: causes.CLIENT_SECRET,
    7000222: causes.CLIENT_SECRET,
    700016: causes.CLIENT_ID,
    50196: causes.REFRESH_LOOP,
    90002: causes.REQUEST_REFUSED,
    70011: causes.REQUEST_REFUSED,
}
CHALLENGED = {50072, 50074, 50076, 50078, 50079, 50158, 53003}


@pytest.fixture(scope="module")
def graph(_sandbox: Sandbox) -> Iterator[GraphRig]:
    _sandbox.reset()
    with graph_rig.rig_on(_sandbox) as rig:
        yield rig


def refused(provider: str, rig: GraphRig | GmailRig) -> ProviderError:
    stored = rig.store if isinstance(rig, GraphRig) else rig.stored
    with pytest.raises(ProviderError) as caught:
        oauth.refresh(provider, rig.settings, stored.tokens)
    return caught.value


@pytest.mark.parametrize(("number", "cause"), ENTRA.items(), ids=map(str, ENTRA))
def test_entras_number_has_one_cause(graph, number, cause):
    graph.control("microsoft/switch", name="entra.error", value=str(number))
    error = refused("graph", graph)
    assert isinstance(error, Reconnect)
    assert error.cause == cause
    assert bool(error.claims) == (number in CHALLENGED)


@pytest.mark.parametrize(("number", "cause"), OURS.items(), ids=map(str, OURS))
def test_entras_number_is_the_operators(graph, number, cause):
    graph.control("microsoft/switch", name="entra.error", value=str(number))
    error = refused("graph", graph)
    assert isinstance(error, Operator)
    assert error.cause == cause


def test_entra_out_of_order_is_asked_again(graph):
    graph.control("microsoft/switch", name="entra.error", value="temporarily_unavailable")
    assert isinstance(refused("graph", graph), Retry)


GRAPH = [
    ("MailboxNotEnabledForRESTAPI", 404, causes.MAILBOX_UNAVAILABLE),
    ("ErrorMailboxNotEnabledForRESTAPI", 403, causes.MAILBOX_UNAVAILABLE),
    ("MailboxNotSupportedForRESTAPI", 403, causes.MAILBOX_UNAVAILABLE),
    ("extensionError", 403, causes.MAILBOX_UNAVAILABLE),
    ("ErrorNonExistentMailbox", 404, causes.MAILBOX_GONE),
    ("ErrorInvalidUser", 404, causes.MAILBOX_GONE),
    ("Request_ResourceNotFound", 404, causes.MAILBOX_GONE),
    ("ErrorQuotaExceeded", 403, causes.MAILBOX_FULL),
    ("ErrorAccessDenied", 403, causes.SCOPE_MISSING),
    ("insufficient_claims", 403, causes.CONDITIONAL_ACCESS),
    ("SomethingNew", 403, causes.REFUSED),
]


@pytest.mark.parametrize(("code", "status", "cause"), GRAPH, ids=[row[0] for row in GRAPH])
def test_graphs_refusal_of_a_mailbox_has_one_cause(graph, code, status, cause):
    graph.control("microsoft/switch", name="entra.error", value=None)
    graph.control("microsoft/switch", name="graph.mailbox_error", value=code)
    graph.control("microsoft/switch", name="graph.mailbox_status", value=status)
    with pytest.raises(Reconnect) as caught:
        graph.client.baseline()
    assert caught.value.cause == cause


def test_a_consent_that_shrank_at_microsoft_is_a_missing_permission(sandbox):
    address, settings = "ben@acme365.test", graph_rig.settings_for(sandbox)
    scopes = ["openid", "offline_access", "User.Read"]
    given = sandbox.post("/control/microsoft/token", address=address, scopes=scopes)
    with pytest.raises(Reconnect) as caught:
        oauth.adopt("graph", settings, given["refresh_token"])
    assert caught.value.cause == causes.SCOPE_MISSING


@pytest.fixture
def gmail(sandbox: Sandbox) -> Iterator[GmailRig]:
    rig = GmailRig(sandbox, gmail_rig.settings_for(sandbox))
    yield rig
    rig.close()


GOOGLE = [
    ("google.refresh_words", "Token has been expired or revoked.", causes.REVOKED),
    ("google.refresh_words", "Bad Request", causes.REVOKED),
    ("google.refresh_words", "Words that are new", causes.REVOKED),
    ("google.refresh_words", "Account has been deleted", causes.MAILBOX_GONE),
    ("google.refresh_words", "Account has been disabled", causes.ACCOUNT_DISABLED),
    ("google.refresh_error", "admin_policy_enforced", causes.ADMIN_BLOCKED),
    ("google.refresh_error", "invalid_rapt", causes.SESSION_ENDED),
    ("google.refresh_error", "rapt_required", causes.SESSION_ENDED),
    ("google.refresh_error", "a_new_one", causes.REVOKED),
]


@pytest.mark.parametrize(("switch", "said", "cause"), GOOGLE, ids=[row[1] for row in GOOGLE])
def test_googles_invalid_grant_has_one_cause(gmail, switch, said, cause):
    gmail.sandbox.post("/control/switches", **{switch: said})
    error = refused("gmail", gmail)
    assert isinstance(error, Reconnect)
    assert error.cause == cause


def test_a_consent_that_was_taken_back_at_google_is_one(gmail):
    oauth.revoke("gmail", gmail.settings, gmail.stored.tokens)
    assert refused("gmail", gmail).cause == causes.REVOKED


def test_the_consent_of_an_app_in_testing_ends_after_its_week(gmail):
    gmail.sandbox.post("/control/switches", **{"google.consent_seconds": 1})
    given = gmail.token(READ)
    grant = oauth.adopt("gmail", gmail.settings, given["refresh_token"])
    gmail.sandbox.post("/control/skew", seconds=60)
    with pytest.raises(Reconnect) as caught:
        oauth.refresh("gmail", gmail.settings, grant.tokens)
    assert caught.value.cause == causes.TIME_LIMITED


LIMITS = [
    ("403-domain", causes.ADMIN_BLOCKED),
    ("mail-off", causes.MAILBOX_UNAVAILABLE),
    ("precondition", causes.MAILBOX_UNAVAILABLE),
]


@pytest.mark.parametrize(("kind", "cause"), LIMITS, ids=[row[0] for row in LIMITS])
def test_gmails_refusal_of_a_mailbox_has_one_cause(gmail, kind, cause):
    gmail.sandbox.post("/control/google/limit", address=gmail.address, kind=kind)
    with pytest.raises(Reconnect) as caught:
        gmail.client.baseline()
    assert caught.value.cause == cause


def test_a_consent_that_shrank_at_google_is_a_missing_permission(gmail):
    gmail.sandbox.post("/control/google/narrow", address=gmail.address, scopes=["openid"])
    assert refused("gmail", gmail).cause == causes.SCOPE_MISSING


def test_a_token_without_the_permission_is_refused_by_gmail_itself(gmail):
    given = gmail.token("openid")
    gmail.stored.tokens = gmail.stored.tokens.__class__(
        given["access_token"], "none", gmail.stored.tokens.expires_at
    )
    with pytest.raises(Reconnect) as caught:
        gmail.client.baseline()
    assert caught.value.cause == causes.SCOPE_MISSING


# -- what is between us and the provider

PORTAL = b"<html><title>Welcome to the hotel</title>"
BAD = Reply(400, PORTAL)
OTHERS = {
    "a captive portal's page": Reply(200, PORTAL, {"Content-Type": "text/html"}),
    "a captive portal's JSON": Reply(200, {"error": "login_required"}),
    "a redirect to a captive portal": Reply(302, PORTAL, {"Location": "http://portal.test/"}),
    "a proxy that wants a password": Reply(407, PORTAL, {"Proxy-Authenticate": "Basic"}),
    "a firewall's page": Reply(403, PORTAL),
    "a page with the status of a lost sign-in": Reply(401, PORTAL),
    "a page with the status of a refused grant": BAD,
    "a network that wants a sign-in": Reply(511, PORTAL),
    "a broken gateway": Reply(502, PORTAL),
    "a service that is out of order": Reply(503, {"error": "invalid_grant"}),
    "nothing at all": Reply(200, b""),
}


def settings_at(url: str) -> object:
    sandbox = Sandbox(url, "127.0.0.1:1", None)  # type: ignore[arg-type]
    both = {**graph_rig.settings_for(sandbox).model_dump(exclude={"gmail_api_url"})}
    google = gmail_rig.settings_for(sandbox)
    return google.model_copy(
        update={name: both[name] for name in both if name.startswith(("graph", "entra", "micro"))}
    )


class _Held:
    def token(self, fresh: bool = False, claims: str = "") -> str:
        return "access"


def ask(provider: str, settings, what: str) -> None:
    from crm.model import Tokens
    from providers.registry import open_client
    from tests.providers.oauth_answers import OLD

    if what == "refresh":
        oauth.refresh(provider, settings, Tokens("a", "r", OLD.expires_at))
        return
    client = open_client(provider, _Held(), settings)
    try:
        client.baseline()
    finally:
        client.close()


@pytest.fixture
def loop_ends():
    yield
    from providers.graph import loop

    loop.shutdown()


@pytest.mark.parametrize("what", ["refresh", "read"])
@pytest.mark.parametrize("provider", ["gmail", "graph"])
@pytest.mark.parametrize("reply", OTHERS.values(), ids=OTHERS)
def test_what_stands_in_between_is_never_a_lost_consent(loop_ends, reply, provider, what):
    with serving(Stub(script=lambda _: reply)) as stub:
        settings = settings_at(stub.url.removesuffix("/v1.0"))
        with pytest.raises(Exception) as caught:
            ask(provider, settings, what)
    # What reads mail fails loudly where JSON is not Gmail's or Graph's, and is tried again.
    loud = what == "read" and reply in (OTHERS["a captive portal's JSON"], BAD)
    assert isinstance(caught.value, Retry) or (loud and not isinstance(caught.value, ProviderError))


def _closed() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize("what", ["refresh", "read"])
@pytest.mark.parametrize("provider", ["gmail", "graph"])
@pytest.mark.parametrize("url", [_closed(), "https://nowhere.invalid"], ids=["refused", "no name"])
def test_a_broken_network_is_never_a_lost_consent(loop_ends, url, provider, what):
    with pytest.raises(Retry):
        ask(provider, settings_at(url), what)


@pytest.mark.parametrize("what", ["refresh", "read"])
@pytest.mark.parametrize("provider", ["gmail", "graph"])
def test_a_server_that_cannot_speak_tls_is_never_a_lost_consent(loop_ends, provider, what):
    with serving(Stub(script=lambda _: Reply(200, {}))) as stub:
        url = stub.url.removesuffix("/v1.0").replace("http:", "https:")
        with pytest.raises(Retry):
            ask(provider, settings_at(url), what)


def test_claims_come_back_in_the_next_sign_in():
    from tests.providers.oauth_answers import BACK, SETTINGS

    able = {"xms_cc": {"values": ["cp1"]}}
    proof = {"capolids": {"essential": True}}
    wanted = {"access_token": proof, "id_token": {"auth_time": None}}
    assert claims_in(oauth.begin("graph", SETTINGS, BACK, "", json.dumps(wanted))) == {
        "access_token": proof | able,
        "id_token": {"auth_time": None},
    }
    for nonsense in ("", "[1]", "{", '{"access_token":7}', '{"a":' + "[" * 1990, "x" * 3000):
        url = oauth.begin("graph", SETTINGS, BACK, "", nonsense)
        assert claims_in(url) == {"access_token": able}
    assert "claims" not in oauth.begin("gmail", SETTINGS, BACK, "ana@acme.test").url


def claims_in(flow: oauth.Flow) -> object:
    return json.loads(parse_qs(urlsplit(flow.url).query)["claims"][0])


# -- what people and administrators do


@pytest.mark.parametrize("deed", ["password", "consent"])
def test_what_a_person_does_at_google_ends_the_grant(gmail, deed):
    gmail.sandbox.post(f"/control/{deed}", address=gmail.address)
    assert refused("gmail", gmail).cause == causes.REVOKED


def test_too_many_consents_for_one_app_end_the_oldest(gmail):
    for _ in range(101):
        gmail.token(READ)
    assert refused("gmail", gmail).cause == causes.REVOKED


DEEDS = [
    ("consent", causes.CONSENT_MISSING),
    ("microsoft/revoke-sessions", causes.REVOKED),
]


@pytest.mark.parametrize(("deed", "cause"), DEEDS, ids=[row[0] for row in DEEDS])
def test_what_a_person_does_at_microsoft_ends_the_grant(sandbox, deed, cause):
    address = "ben@acme365.test"
    given = sandbox.post("/control/microsoft/token", address=address)
    sandbox.post(f"/control/{deed}", address=address)
    with pytest.raises(Reconnect) as caught:
        oauth.adopt("graph", graph_rig.settings_for(sandbox), given["refresh_token"])
    assert caught.value.cause == cause


def test_a_changed_password_at_microsoft_ends_no_grant_of_an_app_with_a_secret(sandbox):
    address = "ben@acme365.test"
    given = sandbox.post("/control/microsoft/token", address=address)
    sandbox.post("/control/password", address=address)
    found = oauth.adopt("graph", graph_rig.settings_for(sandbox), given["refresh_token"])
    assert found.address == address

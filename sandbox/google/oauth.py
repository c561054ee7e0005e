"""Google's sign-in over HTTP: consent page, tokens, revoke, certificates."""

import hashlib
from urllib.parse import urlencode, urlsplit

import flask
from flask.typing import ResponseReturnValue

from sandbox.google.accounts import CODE_LIFE, LONG, Client, Code, Grant, OAuthError
from sandbox.google.keys import b64url, issuer_of, verified
from sandbox.google.state import Google

SIGN_IN = {"openid", "email", "profile", *LONG.values()}
EXPLAINED = {
    "https://www.googleapis.com/auth/gmail.readonly": "View your email messages and settings",
    "https://www.googleapis.com/auth/gmail.labels": "See and edit your email labels",
    "https://www.googleapis.com/auth/gmail.metadata": "View your email message metadata only",
    "https://www.googleapis.com/auth/gmail.send": "Send email on your behalf",
    "https://www.googleapis.com/auth/gmail.modify": "Read, compose and send emails",
    "https://www.googleapis.com/auth/gmail.insert": "Add emails into your mailbox",
    "https://mail.google.com/": "Read, compose, send and permanently delete all your email",
}


class _Page(Exception):
    """A request so wrong that Google shows a page instead of going back."""

    def __init__(self, status: int, error: str, text: str) -> None:
        super().__init__(error)
        self.status, self.error, self.text = status, error, text


def _client_of_page(google: Google) -> Client:
    args = flask.request.args
    client = google.accounts.clients.get(args.get("client_id", ""))
    if client is None:
        raise _Page(401, "invalid_client", "The OAuth client was not found.")
    uri = args.get("redirect_uri", "")
    parts = urlsplit(uri)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not (uri in client.redirects if client.redirects else local):
        raise _Page(400, "redirect_uri_mismatch", "The redirect URI is not registered.")
    if args.get("response_type") != "code":
        raise _Page(400, "unsupported_response_type", "response_type must be code.")
    if not args.get("scope", "").strip():
        raise _Page(400, "invalid_request", "Missing required parameter: scope")
    if args.get("code_challenge") and args.get("code_challenge_method", "plain") not in (
        "S256",
        "plain",
    ):
        raise _Page(400, "invalid_request", "Invalid code_challenge_method.")
    return client


def _authorize_page(google: Google) -> ResponseReturnValue:
    client = _client_of_page(google)
    asked = flask.request.args["scope"].split()
    with google.world.lock:
        people = [p for p in google.world.people.values() if p.provider == "google"]
    return flask.render_template(
        "google_consent.html",
        client=client.id,
        people=people,
        hint=flask.request.args.get("login_hint", "").lower(),
        scopes=[(s, EXPLAINED.get(s, s)) for s in asked if s not in SIGN_IN],
        signin=[s for s in asked if s in SIGN_IN],
        ticked=google.world.switches["google.scopes_ticked"],
        action=flask.request.full_path,
    )


def _decided(google: Google) -> ResponseReturnValue:
    client = _client_of_page(google)
    args, form = flask.request.args, flask.request.form
    back = args["redirect_uri"]
    state = {"state": args["state"]} if "state" in args else {}
    if form.get("decision") != "allow":
        return flask.redirect(_with(back, {"error": "access_denied", **state}), 302)
    address = form.get("account", "").lower()
    with google.world.lock:
        person = google.world.people.get(address)
        if person is None or person.provider != "google":
            raise _Page(400, "invalid_request", "Choose an account.")
        granted = _granted(google, client, address)
        first = not google.accounts.had_consent(client.id, address)
        wants = args.get("access_type") == "offline"
        code = google.accounts.new_code(
            Code(
                grant=Grant(client.id, address, granted),
                redirect_uri=back,
                challenge=args.get("code_challenge", ""),
                method=args.get("code_challenge_method", "plain"),
                expires=google.world.now() + CODE_LIFE,
                offline=wants and (first or "consent" in args.get("prompt", "").split()),
                nonce=args.get("nonce", ""),
            )
        )
    shown = {"code": code, "scope": " ".join(sorted(granted)), "authuser": "0"}
    return flask.redirect(_with(back, {**state, **shown}), 302)


def _granted(google: Google, client: Client, address: str) -> frozenset[str]:
    asked = flask.request.args["scope"].split()
    ticked = set(flask.request.form.getlist("scope"))
    granted = {LONG.get(s, s) for s in asked if s in SIGN_IN or s in ticked}
    if flask.request.args.get("include_granted_scopes") == "true":
        granted |= google.accounts.earlier_scopes(client.id, address)
    return frozenset(granted)


def _with(uri: str, args: dict[str, str]) -> str:
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(args)}"


def _checked_client(google: Google) -> Client:
    form, basic = flask.request.form, flask.request.authorization
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if basic is not None and basic.type == "basic":
        client_id, secret = basic.username or "", basic.password or ""
    if not client_id:
        raise OAuthError("invalid_request", "Could not determine client ID from request.")
    client = google.accounts.clients.get(client_id)
    if client is None:
        raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
    if secret != client.secret:
        raise OAuthError("invalid_client", "Unauthorized", 401)
    return client


def _from_code(google: Google, client: Client) -> dict[str, object]:
    form = flask.request.form
    code = google.accounts.codes.get(form.get("code", ""))
    if code is None or code.grant.client != client.id:
        raise OAuthError("invalid_grant", "Malformed auth code.")
    if code.used or code.expires <= google.world.now() or not code.grant.alive:
        raise OAuthError("invalid_grant", "Bad Request")
    if form.get("redirect_uri") != code.redirect_uri:
        raise OAuthError("redirect_uri_mismatch", "Bad Request")
    if code.challenge:
        _check_verifier(code, form.get("code_verifier", ""))
    code.used = True
    refresh = google.accounts.new_refresh(code.grant) if code.offline else None
    return google.accounts.token_answer(code.grant, refresh, code.nonce)


def _check_verifier(code: Code, verifier: str) -> None:
    if not verifier:
        raise OAuthError("invalid_grant", "Missing code verifier.")
    hashed = b64url(hashlib.sha256(verifier.encode()).digest())
    if code.challenge != (hashed if code.method == "S256" else verifier):
        raise OAuthError("invalid_grant", "Invalid code verifier.")


def _from_refresh(google: Google, client: Client) -> dict[str, object]:
    form = flask.request.form
    if not form.get("refresh_token"):
        raise OAuthError("invalid_request", "Missing required parameter: refresh_token")
    grant = google.accounts.refresh.get(form["refresh_token"])
    refused = str(google.world.switches["google.refresh_error"])
    if refused:
        raise OAuthError("invalid_grant", "Bad Request", error_subtype=refused)
    words = str(google.world.switches["google.refresh_words"])
    if words:
        raise OAuthError("invalid_grant", words)
    if grant and grant.ends and grant.ends <= google.world.now():
        grant.alive = False
    if grant is None or not grant.alive or grant.client != client.id:
        raise OAuthError("invalid_grant", "Token has been expired or revoked.")
    wanted = {LONG.get(s, s) for s in form.get("scope", "").split()}
    if not wanted <= grant.scopes:
        raise OAuthError("invalid_scope", "Some requested scopes were invalid.")
    return google.accounts.token_answer(grant, None)


def _from_assertion(google: Google) -> dict[str, object]:
    assertion = flask.request.form.get("assertion", "")
    try:
        claims = verified(assertion, google.accounts.services[issuer_of(assertion)])
    except (ValueError, LookupError):
        raise OAuthError("invalid_grant", "Invalid JWT Signature.") from None
    scopes = frozenset(str(claims.get("scope", "")).split())
    access = google.accounts.new_access(str(claims["iss"]), scopes, None)
    return {"access_token": access, "expires_in": 3599, "token_type": "Bearer"}


def _token(google: Google) -> ResponseReturnValue:
    kind = flask.request.form.get("grant_type", "")
    google.world.count(f"google.token.{kind.rpartition(':')[2] or 'none'}")
    with google.world.lock:
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return flask.jsonify(_from_assertion(google))
        client = _checked_client(google)
        if kind == "authorization_code":
            return flask.jsonify(_from_code(google, client))
        if kind == "refresh_token":
            return flask.jsonify(_from_refresh(google, client))
    raise OAuthError("unsupported_grant_type", f"Invalid grant_type: {kind}")


def _revoke(google: Google) -> ResponseReturnValue:
    google.world.count("google.revoke")
    token = flask.request.values.get("token", "")
    with google.world.lock:
        if not google.accounts.revoke(token):
            raise OAuthError("invalid_token", "Token expired or revoked")
    return flask.jsonify({})


def _certs(google: Google, jwks: bool) -> ResponseReturnValue:
    google.world.count("google.certs")
    keys = list(google.keys.keys)
    body: dict[str, object] = (
        {"keys": [k.jwk for k in keys]} if jwks else {k.kid: k.certificate for k in keys}
    )
    response = flask.jsonify(body)
    age = google.world.switches["google.certs_max_age"]
    response.headers["Cache-Control"] = f"public, max-age={age}, must-revalidate, no-transform"
    return response


def _userinfo(google: Google) -> ResponseReturnValue:
    given = flask.request.headers.get("Authorization", "").removeprefix("Bearer ")
    with google.world.lock:
        access = google.accounts.live(given)
    if access is None:
        raise OAuthError("invalid_request", "Invalid Credentials", 401)
    shown: dict[str, object] = {"sub": google.accounts.subject(access.address)}
    if LONG["email"] in access.scopes:
        shown |= {"email": access.address, "email_verified": True}
    return flask.jsonify(shown)


def _configuration(google: Google) -> ResponseReturnValue:
    url = google.world.url
    return flask.jsonify(
        issuer="https://accounts.google.com",
        authorization_endpoint=f"{url}/o/oauth2/v2/auth",
        token_endpoint=f"{url}/token",
        revocation_endpoint=f"{url}/revoke",
        userinfo_endpoint=f"{url}/oauth2/v3/userinfo",
        jwks_uri=f"{url}/oauth2/v3/certs",
        response_types_supported=["code"],
        code_challenge_methods_supported=["plain", "S256"],
        id_token_signing_alg_values_supported=["RS256"],
    )


def routes(google: Google, blueprint: flask.Blueprint) -> None:
    """Put the sign-in routes on the blueprint."""
    rule = blueprint.add_url_rule
    auth = "/o/oauth2/v2/auth"
    rule(auth, "authorize", lambda: _authorize_page(google), methods=["GET"])
    rule(auth, "decided", lambda: _decided(google), methods=["POST"])
    rule("/token", "token", lambda: _token(google), methods=["POST"])
    rule("/revoke", "revoke", lambda: _revoke(google), methods=["POST"])
    rule("/oauth2/v1/certs", "certs", lambda: _certs(google, jwks=False))
    rule("/oauth2/v3/certs", "jwks", lambda: _certs(google, jwks=True))
    rule("/oauth2/v3/userinfo", "userinfo", lambda: _userinfo(google))
    rule("/.well-known/openid-configuration", "openid", lambda: _configuration(google))

    @blueprint.errorhandler(OAuthError)
    def refuse(error: OAuthError) -> ResponseReturnValue:
        body = {"error": error.error, "error_description": error.description, **error.extra}
        return flask.jsonify(body), error.status

    @blueprint.errorhandler(_Page)
    def show(error: _Page) -> ResponseReturnValue:
        text = flask.render_template("google_error.html", error=error)
        return text, error.status

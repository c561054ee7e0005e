"""The pretend Entra ID: sign-in and consent pages, tokens, keys."""

import base64
import hashlib
import json
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import flask

from sandbox.microsoft import pages
from sandbox.microsoft.entra_errors import EntraError
from sandbox.microsoft.service import (
    CLIENT_ID,
    CLIENT_SECRET,
    Access,
    Code,
    Grant,
    Service,
    plain_scope,
    tenant_of,
)
from sandbox.microsoft.wire import Json

OPENID = {"openid", "profile", "email", "offline_access"}
LOCAL = {"localhost", "127.0.0.1", "::1"}
_COMMON = {"common", "organizations"}


class Entra:
    """The endpoints of one world; each takes the values of the request."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.world = service.world

    # authorize

    def authorize(self, tenant: str, values: dict[str, str]) -> flask.typing.ResponseReturnValue:
        """The page, or the redirect once the person decided (`decision` in the posted form)."""
        self.world.count("entra.authorize")
        fault = self._wrong_request(tenant, values)
        if fault:
            return pages.failure(fault), 400
        if values.get("prompt") == "none":
            return _back(
                values,
                error="interaction_required",
                error_description="AADSTS50058: A silent sign-in request was sent but no user is signed in.",
            )
        decision = values.get("decision", "")
        if not decision:
            return pages.consent(values, self.service.addresses())
        if decision == "cancel":
            return _refused(values, EntraError("65004"), error_subcode="cancel")
        if decision == "leave":
            return _refused(values, EntraError("90094"))
        return self._accepted(values)

    def _wrong_request(self, tenant: str, values: dict[str, str]) -> EntraError | None:
        target = urlsplit(values.get("redirect_uri", ""))
        local = target.scheme == "http" and target.hostname in LOCAL
        tenants = {tenant_of(address) for address in self.service.addresses()}
        checks = [
            (tenant in _COMMON | tenants, "90002"),
            (values.get("client_id") == CLIENT_ID, "700016"),
            (target.scheme == "https" or local, "50011"),
            (values.get("response_type") == "code", "900144"),
            (values.get("response_mode", "query") == "query", "900144"),
            (bool(values.get("scope", "").split()), "900144"),
            (_readable(values), "9002313"),
            (values.get("code_challenge_method", "S256") == "S256", "501481"),
        ]
        return next((EntraError(number) for good, number in checks if not good), None)

    def _accepted(self, values: dict[str, str]) -> flask.typing.ResponseReturnValue:
        mailbox = self.service.mailbox(values.get("account", ""))
        if mailbox is None:
            return pages.consent(values, self.service.addresses(), "That account does not exist.")
        scopes = tuple(plain_scope(scope) for scope in values["scope"].split())
        closed = mailbox.switches.on("entra.admin_consent")
        if closed and mailbox.tenant not in self.service.approved:
            return pages.approval(values)
        self.service.consents.setdefault(mailbox.address, set()).update(scopes)
        code = Code(
            mailbox.address,
            scopes,
            values["redirect_uri"],
            values.get("code_challenge", ""),
            values.get("nonce", ""),
            self.world.now() + timedelta(minutes=10),
            proven="capolids" in _claims(values),
        )
        return _back(values, code=self.service.new_code(code), session_state="sandbox")

    def admin_consent(
        self, tenant: str, values: dict[str, str]
    ) -> flask.typing.ResponseReturnValue:
        """The admin's page; accepting approves the tenant of the chosen account."""
        if values.get("client_id") != CLIENT_ID:
            return pages.failure(EntraError("700016")), 400
        decision = values.get("decision", "")
        if not decision:
            return pages.consent(
                values,
                self.service.addresses(),
                title="Permissions requested: review for your organization",
            )
        mailbox = self.service.mailbox(values.get("account", ""))
        if decision != "accept" or mailbox is None:
            return _refused(values, EntraError("65004"), admin_consent="True", tenant=tenant)
        self.service.approved.add(mailbox.tenant)
        return _back(
            values, admin_consent="True", tenant=mailbox.tenant, scope=values.get("scope", "")
        )

    # token

    def token(
        self, tenant: str, form: dict[str, str], basic: tuple[str, str] | None, root: str
    ) -> tuple[Json, int]:
        """Answer of the token endpoint and its status."""
        self.world.count("entra.token")
        try:
            self._client(form, basic)
            _claims(form)
            handlers = {"authorization_code": self._by_code, "refresh_token": self._by_refresh}
            handler = handlers.get(form.get("grant_type", ""))
            if handler is None:
                raise EntraError("70003")
            grant, scopes, nonce = handler(form)
            self._tenant(tenant, grant)
            return self.issue(form, grant, scopes, nonce, root), 200
        except EntraError as error:
            return error.body(), error.status

    def _client(self, form: dict[str, str], basic: tuple[str, str] | None) -> None:
        name, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
        if name != CLIENT_ID:
            raise EntraError("700016")
        if not secret:
            raise EntraError("7000216")
        if secret != CLIENT_SECRET:
            raise EntraError("7000215")

    def _tenant(self, tenant: str, grant: Grant) -> None:
        if tenant not in _COMMON and tenant != tenant_of(grant.address):
            raise EntraError("90002")

    def _switched(self, address: str) -> None:
        mailbox = self.service.mailbox(address)
        if mailbox is None:
            raise EntraError("50057")
        number = mailbox.switches.text("entra.error")
        if number:
            raise EntraError(number)

    def _by_code(self, form: dict[str, str]) -> tuple[Grant, frozenset[str], str]:
        code = self.service.codes.get(form.get("code", ""))
        if code is None:
            raise EntraError("70000")
        if code.expires < self.world.now():
            raise EntraError("70008")
        if code.redirect_uri == "used":
            raise EntraError("54005")
        if form.get("redirect_uri", "") != code.redirect_uri:
            raise EntraError("500112")
        if code.challenge and code.challenge != _challenge(form.get("code_verifier", "")):
            raise EntraError("501481")
        self._switched(code.address)
        self._proven(code)
        code.redirect_uri = "used"
        scopes = frozenset(code.scopes)
        return Grant(code.address, scopes, proven=code.proven), scopes, code.nonce

    def _proven(self, held: Code | Grant) -> None:
        mailbox = self.service.mailbox(held.address)
        if mailbox and mailbox.switches.on("entra.second_factor") and not held.proven:
            raise EntraError("50076")

    def _by_refresh(self, form: dict[str, str]) -> tuple[Grant, frozenset[str], str]:
        text = form.get("refresh_token", "")
        grant = self.service.refresh.get(text)
        if grant is None:
            raise EntraError("70000")
        self._switched(grant.address)
        if grant.revoked:
            raise EntraError(grant.revoked)
        self._proven(grant)
        asked = {plain_scope(scope) for scope in form.get("scope", "").split()}
        missing = asked - self.service.consents.get(grant.address, set()) - OPENID - {".default"}
        if missing:
            raise EntraError("65001")
        mailbox = self.service.mailbox(grant.address)
        if mailbox and mailbox.switches.on("entra.rotation_ends_old"):
            del self.service.refresh[text]
        return grant, frozenset(asked - {".default"}) or grant.scopes, ""

    def issue(
        self, form: dict[str, str], grant: Grant, scopes: frozenset[str], nonce: str, root: str
    ) -> Json:
        mailbox = self.service.mailbox(grant.address)
        seconds = mailbox.switches.number("entra.token_seconds") if mailbox else 3600.0
        seconds *= self.service.random.uniform(1.0, 1.2)
        claims = _claims(form)
        capable = "cp1" in _capabilities(claims)
        if capable:  # tokens that can be revoked at once live long
            seconds *= 24
        expires = self.world.now() + timedelta(seconds=seconds)
        access = Access(
            grant,
            scopes - OPENID,
            expires,
            bool(set(claims) - {"xms_cc"}),
            capable,
        )
        body: Json = {
            "token_type": "Bearer",
            # Entra names openid and profile, but never offline_access
            "scope": " ".join(sorted(scopes - {"offline_access"})),
            "expires_in": int(seconds),
            "ext_expires_in": int(seconds),
            "access_token": self.service.new_access(access),
        }
        if "offline_access" in grant.scopes:
            body["refresh_token"] = self.service.new_refresh(grant)
        if "openid" in scopes:
            body["id_token"] = self.service.sign(self._id_claims(grant, nonce, root))
        return body

    def _id_claims(self, grant: Grant, nonce: str, root: str) -> Json:
        mailbox = self.service.mailbox(grant.address)
        tid = tenant_of(grant.address)
        now = int(self.world.now().timestamp())
        claims: Json = {
            "aud": CLIENT_ID,
            "iss": f"{root}/{tid}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "name": mailbox.name if mailbox else "",
            "oid": mailbox.oid if mailbox else "",
            "preferred_username": grant.address,
            "sub": hashlib.sha256(grant.address.encode()).hexdigest()[:43],
            "tid": tid,
            "ver": "2.0",
        }
        if nonce:
            claims["nonce"] = nonce
        return claims

    def discovery(self, tenant: str, root: str) -> Json:
        """openid-configuration; for many tenants the issuer is a template, as at the real one."""
        issuer = "{tenantid}" if tenant in _COMMON else tenant
        base = f"{root}/{tenant}"
        return {
            "issuer": f"{root}/{issuer}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query"],
            "response_types_supported": ["code"],
            "scopes_supported": sorted(OPENID),
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _claims(values: dict[str, str]) -> Json:
    """What a request wants an access token to prove, with what its sender is capable of (xms_cc)."""
    try:
        wanted = json.loads(values.get("claims") or "{}").get("access_token") or {}
        return dict(wanted)
    except (ValueError, TypeError, AttributeError):
        raise EntraError("9002313") from None


def _readable(values: dict[str, str]) -> bool:
    with suppress(EntraError):
        _claims(values)
        return True
    return False


def _capabilities(claims: Json) -> set[str]:
    told = claims.get("xms_cc")
    named = told.get("values", ()) if isinstance(told, dict) else ()
    return {str(each).lower() for each in named}


def _back(values: dict[str, str], **answer: str) -> flask.typing.ResponseReturnValue:
    if "state" in values:
        answer["state"] = values["state"]
    target = values.get("redirect_uri", "")
    joint = "&" if urlsplit(target).query else "?"
    return flask.redirect(f"{target}{joint}{urlencode(answer)}", 302)


def _refused(
    values: dict[str, str], error: EntraError, **more: str
) -> flask.typing.ResponseReturnValue:
    return _back(values, error=error.error, error_description=error.description, **more)

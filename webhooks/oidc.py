"""The OIDC tokens that Pub/Sub pushes carry, verified offline against cached certificates.

google-auth would do, but it fetches the certificates for every token and checks neither `email` nor
`email_verified`; and the web side imports no provider SDK.
"""

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import requests
import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jws import extract_compact

log = structlog.get_logger(__name__)

ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
SKEW_SECONDS = 10
REFETCH_SECONDS = 60  # an unknown key id, or a host that is down, is asked about this often at most
DEFAULT_AGE_SECONDS = 3600
FETCH_TIMEOUT = (2.0, 3.0)  # connect, read; seconds
MAX_TOKEN = 8192
KNOWN_TOKENS = 512  # Pub/Sub sends the same token for up to an hour

Clock = Callable[[], float]


class Unauthorized(Exception):
    """No token, or one that Google did not sign, or that is out of date."""


class Forbidden(Exception):
    """A good token of Google's, for somebody else or from somebody else."""


class CertificatesDown(Exception):
    """The certificates cannot be had now: nobody can say whether the token is good."""


class Certificates:
    """Google's signing keys by key id, fetched when needed and kept as long as their answer says.

    Keys that are out of date serve on while the host is down.
    """

    def __init__(self, url: str, clock: Clock = time.time) -> None:
        self._url = url
        self._clock = clock
        self._keys: Mapping[str, RSAKey] = {}
        self._fresh_until = 0.0
        self._asked_at = float("-inf")
        self._down = False
        self._asking = threading.Lock()

    def key(self, kid: str) -> RSAKey:
        """The key of this id. Raises Unauthorized when there is none, CertificatesDown when the
        host would have to be asked and does not answer."""
        now = self._clock()
        known = kid in self._keys
        if (now >= self._fresh_until or not known) and self._asking.acquire(blocking=not known):
            try:  # one asks; who has the key goes on with it, who has none waits for the answer
                self._refetch(now, kid)
            finally:
                self._asking.release()
        if kid in self._keys:
            return self._keys[kid]
        if self._down:
            raise CertificatesDown
        raise Unauthorized("unknown key id")

    def _refetch(self, now: float, kid: str) -> None:
        if now - self._asked_at < REFETCH_SECONDS or (
            now < self._fresh_until and kid in self._keys
        ):
            return
        self._asked_at = now
        try:
            answer = requests.get(self._url, timeout=FETCH_TIMEOUT)
            answer.raise_for_status()
            self._keys = _keys(answer.json())
        except (requests.RequestException, ValueError, TypeError, KeyError, JoseError) as error:
            self._down = True
            log.warning("certificates out of reach", error=type(error).__name__)
            return
        self._down = False
        age = re.search(r"max-age=(\d+)", answer.headers.get("Cache-Control", ""))
        self._fresh_until = now + (int(age.group(1)) if age else DEFAULT_AGE_SECONDS)


def _keys(answer: dict[str, Any]) -> dict[str, RSAKey]:
    """Keys of either form of Google's address: a map of certificates, or a set of JWKs."""
    if isinstance(answer.get("keys"), list):
        return {key["kid"]: RSAKey.import_key(key) for key in answer["keys"]}
    return {kid: _from_certificate(pem) for kid, pem in answer.items()}


def _from_certificate(pem: str) -> RSAKey:
    public = load_pem_x509_certificate(pem.encode()).public_key()
    return RSAKey.import_key(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


class PushTokens:
    """Verifies the Authorization header of a push.

    Signature, issuer, audience, service account, `email_verified` and expiry, with ten seconds of
    skew. The age of a token says nothing: Pub/Sub sends the same one for up to an hour.
    """

    def __init__(
        self,
        certificates: Certificates,
        audience: str,
        service_account: str,
        clock: Clock = time.time,
    ) -> None:
        self._certificates = certificates
        self._audience = audience
        self._service_account = service_account
        self._clock = clock
        self._known: OrderedDict[bytes, float] = OrderedDict()  # digest of a good token -> its end

    def verify(self, authorization: str) -> None:
        """Raises Unauthorized, Forbidden or CertificatesDown; returns when the push is authentic."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN or not token.isascii():
            raise Unauthorized("no bearer token")
        digest = hashlib.sha256(token.encode()).digest()
        if self._known.get(digest, 0.0) > self._clock():
            return
        claims = self._signed_claims(token)
        self._check(claims)
        self._known[digest] = float(claims["exp"])
        while len(self._known) > KNOWN_TOKENS:
            self._known.popitem(last=False)

    def _signed_claims(self, token: str) -> dict[str, Any]:
        try:
            kid = extract_compact(token.encode()).headers().get("kid")
            if not isinstance(kid, str):
                raise Unauthorized("no key id")
            return jwt.decode(token, self._certificates.key(kid), algorithms=["RS256"]).claims
        except (JoseError, ValueError, TypeError, AttributeError) as error:
            raise Unauthorized(type(error).__name__) from error

    def _check(self, claims: dict[str, Any]) -> None:
        now = self._clock()
        if claims.get("iss") not in ISSUERS:
            raise Unauthorized("issuer")
        if not _number(claims, "exp") > now - SKEW_SECONDS:
            raise Unauthorized("expired")
        if not _number(claims, "iat") < now + SKEW_SECONDS:
            raise Unauthorized("issued in the future")
        audience = claims.get("aud")
        if not self._audience or self._audience not in _listed(audience):
            raise Forbidden("audience")
        if not self._service_account or claims.get("email") != self._service_account:
            raise Forbidden("service account")
        if claims.get("email_verified") is not True:
            raise Forbidden("email_verified")


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthorized(name)
    return float(value)


def _listed(audience: object) -> list[object]:
    return audience if isinstance(audience, list) else [audience]

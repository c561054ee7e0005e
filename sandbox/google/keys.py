"""Google's signing keys: id tokens and the tokens on pushes, with rotation."""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID


def b64url(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return b64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Key:
    """An RSA key and its certificate."""

    private: rsa.RSAPrivateKey
    kid: str

    @cached_property
    def certificate(self) -> str:
        """Self-signed, PEM, as /oauth2/v1/certs shows it."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated-signon.sandbox")])
        start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.private.public_key())
            .serial_number(int(self.kid[:16], 16) or 1)
            .not_valid_before(start)
            .not_valid_after(start + dt.timedelta(days=36_500))
            .sign(self.private, hashes.SHA256())
        )
        return built.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        shown = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid}
        return shown | {"n": _number(numbers.n), "e": _number(numbers.e)}

    def sign(self, claims: Mapping[str, object]) -> str:
        """The claims as a compact JWT, RS256."""
        head = b64url(json.dumps({"alg": "RS256", "kid": self.kid, "typ": "JWT"}).encode())
        content = f"{head}.{b64url(json.dumps(claims).encode())}"
        signature = self.private.sign(content.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{content}.{b64url(signature)}"


def un64(text: str) -> bytes:
    """base64url or base64, with or without padding; raises ValueError."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def issuer_of(token: str) -> str:
    """The `iss` of an unchecked JWT; raises ValueError."""
    claims = json.loads(un64(token.split(".")[1]))
    return str(claims.get("iss", ""))


def verified(token: str, public_pem: str) -> dict[str, object]:
    """The claims of a JWT signed RS256 with the key; raises ValueError."""
    try:
        head, content, signature = token.split(".")
        key = serialization.load_pem_public_key(public_pem.encode())
        if not isinstance(key, rsa.RSAPublicKey):
            raise TypeError("not an RSA key")
        key.verify(
            un64(signature),
            f"{head}.{content}".encode(),
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
        claims: dict[str, object] = json.loads(un64(content))
    except (ValueError, TypeError, InvalidSignature):
        raise ValueError("not signed by this key") from None
    return claims


def new_key() -> Key:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    number = private.public_key().public_numbers().n
    return Key(private, hashlib.sha256(str(number).encode()).hexdigest()[:40])


class KeyRing:
    """The published keys; the first one signs. Survives a reset, so that starting stays quick."""

    def __init__(self) -> None:
        self._first = new_key()
        self._foreign: Key | None = None
        self.keys = [self._first]

    @property
    def signing(self) -> Key:
        return self.keys[0]

    @property
    def foreign(self) -> Key:
        """A key that is published nowhere, for forged tokens."""
        self._foreign = self._foreign or new_key()
        return self._foreign

    def rotate(self, keep_old: bool = True) -> str:
        """A new key signs from now on; the old ones stay published if `keep_old`. The new kid."""
        self.keys = [new_key(), *(self.keys if keep_old else [])]
        return self.signing.kid

    def reset(self) -> None:
        self.keys = [self._first]

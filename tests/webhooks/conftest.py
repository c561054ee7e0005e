"""A pretend Google key, and the two endpoints on a real Redis."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey

from infra.settings import Settings

AUDIENCE = "https://crm.example/webhooks/gmail"
SERVICE_ACCOUNT = "push@project.iam.gserviceaccount.com"
CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"


@dataclass
class Signer:
    """Signs tokens as Google would, and shows its certificate."""

    kid: str
    key: rsa.RSAPrivateKey

    def certificate(self) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
        now = datetime.now(UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        return built.public_bytes(Encoding.PEM).decode()

    def token(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "email": SERVICE_ACCOUNT,
            "email_verified": True,
            "iat": now - 60,
            "exp": now + 3000,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return jwt.encode({"alg": "RS256", "kid": self.kid}, claims, RSAKey.import_key(pem))


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer("key-1", rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture(scope="session")
def other_signer() -> Signer:
    return Signer("key-2", rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture
def certificates(signer: Signer) -> Iterator[responses.RequestsMock]:
    """Google's certificate host, with the first signer's key."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(
            CERTS_URL,
            json={signer.kid: signer.certificate()},
            headers={"Cache-Control": "public, max-age=20000"},
        )
        yield mock


@pytest.fixture
def app_settings(redis_server: Any, sqlite_url: str) -> Settings:
    return Settings(
        redis_url=redis_server.url,
        database_url=sqlite_url,
        google_client_id="client",
        google_client_secret="secret",
        google_pubsub_topic="projects/p/topics/t",
        google_pubsub_audience=AUDIENCE,
        google_pubsub_service_account=SERVICE_ACCOUNT,
    )


@pytest.fixture
def client(app_settings: Settings, redis: Any) -> FlaskClient:
    from webhooks.app import create_app

    return create_app(app_settings).test_client()


def envelope(body: object) -> dict[str, Any]:
    """A Pub/Sub envelope around `body`."""
    data = base64.b64encode(json.dumps(body).encode()).decode()
    return {
        "message": {"data": data, "messageId": "1"},
        "subscription": "projects/p/subscriptions/s",
    }


@pytest.fixture
def push(client: FlaskClient, signer: Signer) -> Callable[..., int]:
    """Sends a push and gives the status code. `authorization=None` sends none."""

    def send(
        body: object = None,
        authorization: str | None = "",
        address: str = "ana@acme.test",
        **options: Any,
    ) -> int:
        headers = dict(options.pop("headers", {}))
        if authorization is not None:
            headers["Authorization"] = authorization or f"Bearer {signer.token()}"
        if "data" not in options:
            options["json"] = body or envelope({"emailAddress": address, "historyId": 12})
        return client.post("/webhooks/gmail", headers=headers, **options).status_code

    return send

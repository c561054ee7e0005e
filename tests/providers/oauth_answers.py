"""What Google and Entra answer at their token addresses, for tests without a network."""

import json
from datetime import UTC, datetime

from joserfc import jws
from joserfc.jwk import OctKey

from crm.model import Tokens
from infra.settings import Settings

BACK = "https://crm.example.com/connect/callback"
READ = "https://www.googleapis.com/auth/gmail.readonly"
GOOGLE = "https://oauth2.googleapis.com/token"
ENTRA = "https://login.microsoftonline.com/organizations/oauth2/v2.0/token"
ME = "https://graph.microsoft.com/v1.0/me"
TOKEN_URLS = {"gmail": GOOGLE, "graph": ENTRA}
SETTINGS = Settings(
    google_client_id="google-id",
    google_client_secret="google-secret",
    microsoft_client_id="entra-id",
    microsoft_client_secret="entra-secret",
)
OLD = Tokens("old-access", "old-refresh", datetime(2026, 3, 2, tzinfo=UTC), frozenset({"kept"}))


def id_token(**claims):
    key = OctKey.import_key("k" * 32)
    return jws.serialize_compact({"alg": "HS256"}, json.dumps(claims).encode(), key)


GOOGLE_ANSWER = {
    "access_token": "new-access",
    "refresh_token": "new-refresh",
    "expires_in": 3599,
    "scope": f"openid https://www.googleapis.com/auth/userinfo.email {READ}",
    "token_type": "Bearer",
    "id_token": id_token(aud="google-id", sub="1077", email="ana@acme.test"),
}
ENTRA_ANSWER = {
    "access_token": "new-access",
    "refresh_token": "new-refresh",
    "expires_in": 4000,
    "scope": "openid profile https://graph.microsoft.com/Mail.Read MailboxSettings.Read User.Read",
    "token_type": "Bearer",
    "id_token": id_token(aud="entra-id", tid="t1", oid="o1", preferred_username="ben@login.test"),
}

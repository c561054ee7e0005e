"""Settings: environment variables that begin with REPLYLOG_, also from a `.env` file.

A wrong value stops the start with its name, the value (never a secret's) and what is expected.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(Exception):
    """The settings cannot be used; the text names each wrong one and what is expected."""


class Settings(BaseSettings):
    """All settings; see the README's table. URLs have no trailing slash."""

    model_config = SettingsConfigDict(
        env_prefix="REPLYLOG_", env_file=".env", extra="ignore", env_ignore_empty=True, frozen=True
    )

    var: Path = Field(Path("var"), description="Folder for the SQLite file, Redis and made secrets")
    database_url: str = Field("", description="SQLite file under `./var`, or postgresql+psycopg://…")
    redis_url: str = Field("", description="redis://…; empty: the embedded Redis under `./var`")
    public_url: str = Field("http://127.0.0.1:8080", description="Where browsers and providers reach us")
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Fernet keys, comma separated: the first encrypts, all decrypt"
    )

    google_client_id: str = ""
    google_client_secret: SecretStr = SecretStr("")
    google_pubsub_topic: str = ""
    google_pubsub_audience: str = ""
    google_pubsub_service_account: str = ""
    google_pubsub_subscription: str = ""
    microsoft_client_id: str = ""
    microsoft_client_secret: SecretStr = SecretStr("")
    microsoft_tenant: str = "organizations"

    gmail_api_url: str = "https://gmail.googleapis.com"
    google_auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    google_token_url: str = "https://oauth2.googleapis.com/token"
    google_revoke_url: str = "https://oauth2.googleapis.com/revoke"
    google_certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    pubsub_api_url: str = "https://pubsub.googleapis.com"
    graph_api_url: str = "https://graph.microsoft.com/v1.0"
    entra_authority_url: str = "https://login.microsoftonline.com"
    dns_server: str = ""

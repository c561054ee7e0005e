"""Settings: environment variables that begin with REPLYLOG_, also from a `.env` file.

A wrong value stops the start with its name, the value (never a secret's) and what is expected.
"""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from infra import keys, values

PREFIX = "REPLYLOG_"


class SettingsError(Exception):
    """The settings cannot be used; the text names each wrong one and what is expected."""


Url = Annotated[str, AfterValidator(values.provider_url)]
SecretKeys = Annotated[
    tuple[SecretStr, ...],
    NoDecode,
    BeforeValidator(values.comma_separated),
    AfterValidator(values.fernet_keys),
]


class Settings(BaseSettings):
    """All settings; see the README's table. URLs have no trailing slash."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", env_ignore_empty=True, frozen=True
    )

    var: Path = Field(
        Path("var"), description="Folder for the SQLite file, the embedded Redis and made keys"
    )
    database_url: Annotated[str, AfterValidator(values.database_url)] = Field(
        "", description="`postgresql+psycopg://user:password@host/name`, or `sqlite:///file`"
    )
    redis_url: Annotated[str, AfterValidator(values.redis_url)] = Field(
        "", description="`redis://`, `rediss://` or `unix://` URL of a Redis elsewhere"
    )
    public_url: Annotated[str, AfterValidator(values.public_url)] = Field(
        "http://127.0.0.1:8080",
        description="Where browsers and providers reach us; https for any host but this one",
    )
    secret_keys: SecretKeys = Field(
        (), description="Fernet keys, comma separated: the first encrypts, all decrypt"
    )
    smtp_url: Annotated[str, AfterValidator(values.smtp_url)] = Field(
        "",
        description="Mail server for notices to people: `smtp://user:password@host:587` (STARTTLS) "
        "or `smtps://user:password@host`",
        repr=False,
    )
    mail_from: Annotated[str, AfterValidator(values.sender)] = Field(
        "", description="From whom notices come: an address, or `Name <address>`"
    )
    files_url: Annotated[str, AfterValidator(values.files_url)] = Field(
        "", description="Where attachments are kept: `file:///folder` or `s3://bucket/prefix`"
    )
    files_s3_endpoint: Annotated[str, AfterValidator(values.endpoint)] = Field(
        "", description="URL of an S3-compatible server"
    )
    files_s3_region: str = Field("", description="Region of the bucket")
    files_s3_access_key_id: str = Field("", description="Who may read and write the bucket")
    files_s3_secret_access_key: SecretStr = Field(SecretStr(""), description="Its secret")
    files_s3_path_style: Annotated[bool, BeforeValidator(values.switch)] = Field(
        False, description="`true` where the bucket is part of the path, as on most other servers"
    )

    google_client_id: str = Field("", description="OAuth client of a Google Cloud project")
    google_client_secret: SecretStr = Field(SecretStr(""), description="Its secret")
    google_pubsub_topic: Annotated[str, AfterValidator(values.topic)] = Field(
        "", description="`projects/P/topics/T` that Gmail publishes to"
    )
    google_pubsub_audience: str = Field(
        "", description="Audience of the tokens in Pub/Sub's push requests"
    )
    google_pubsub_service_account: Annotated[str, AfterValidator(values.mail_address)] = Field(
        "", description="Address of the service account that signs Pub/Sub's push requests"
    )
    google_pubsub_subscription: Annotated[str, AfterValidator(values.subscription)] = Field(
        "", description="`projects/P/subscriptions/S`, to pull instead of being pushed to"
    )
    microsoft_client_id: str = Field("", description="Application (client) id in Entra")
    microsoft_client_secret: SecretStr = Field(SecretStr(""), description="Its secret")
    microsoft_tenant: Annotated[str, AfterValidator(values.tenant)] = Field(
        "organizations", description="Tenant whose people may connect; `organizations` for any"
    )

    gmail_api_url: Url = Field("https://gmail.googleapis.com", description="Gmail API")
    google_auth_url: Url = Field(
        "https://accounts.google.com/o/oauth2/v2/auth", description="Google's consent page"
    )
    google_token_url: Url = Field(
        "https://oauth2.googleapis.com/token", description="Google's token endpoint"
    )
    google_revoke_url: Url = Field(
        "https://oauth2.googleapis.com/revoke", description="Google's revocation endpoint"
    )
    google_certs_url: Url = Field(
        "https://www.googleapis.com/oauth2/v1/certs",
        description="Certificates of Google's identity tokens",
    )
    google_risc_certs_url: Url = Field(
        "https://www.googleapis.com/oauth2/v3/certs",
        description="Keys of Google's security event tokens (Cross-Account Protection)",
    )
    gmail_units_per_minute: int = Field(
        6000,
        ge=1000,
        description="Quota units a minute that Google's console grants your project for each user; "
        "nine tenths are used",
    )
    gmail_project_units_per_minute: int = Field(
        1_200_000, ge=1000, description="The same for all users together"
    )
    pubsub_api_url: Url = Field("https://pubsub.googleapis.com", description="Pub/Sub API")
    graph_api_url: Annotated[Url, AfterValidator(values.graph_url)] = Field(
        "https://graph.microsoft.com/v1.0", description="Microsoft Graph; no path means `/v1.0`"
    )
    entra_authority_url: Url = Field(
        "https://login.microsoftonline.com", description="Entra, without the tenant"
    )
    dns_server: Annotated[str, AfterValidator(values.host_and_port)] = Field(
        "", description="`host:port` of a DNS server"
    )

    webhooks_to_private_addresses: Annotated[bool, BeforeValidator(values.switch)] = Field(
        False,
        description="`true` to post outgoing webhooks to this machine and private networks, too",
    )

    @model_validator(mode="after")
    def _groups_are_whole(self) -> "Settings":
        """Settings that only make sense together are all there, or none is."""
        rules = (*self._group_rules(), *self._files_rules())
        wrong = {name: text for name, missing, text in rules if missing}
        if wrong:
            raise values.Several(wrong)
        return self

    def _group_rules(self) -> Iterable[tuple[str, bool, str]]:
        google = (self.google_client_id, self.google_client_secret.get_secret_value())
        microsoft = (self.microsoft_client_id, self.microsoft_client_secret.get_secret_value())
        push = (self.google_pubsub_audience, self.google_pubsub_service_account)
        ways = (*push, self.google_pubsub_subscription)
        topic = self.google_pubsub_topic
        for name, (client, secret) in (("google", google), ("microsoft", microsoft)):
            own = f"{PREFIX}{name.upper()}_CLIENT"
            yield f"{name}_client_secret", bool(client and not secret), f"needed with {own}_ID"
            yield f"{name}_client_id", bool(secret and not client), f"needed with {own}_SECRET"
        yield "google_client_id", bool(topic and not google[0]), "needed with a Pub/Sub topic"
        yield (
            "google_pubsub_topic",
            bool(any(ways) and not topic),
            "needed with the other GOOGLE_PUBSUB_ settings",
        )
        yield (
            "secret_keys",
            not (self.secret_keys or self.is_local),
            "Fernet keys are needed when PUBLIC_URL is not on this machine; "
            "`replylog key` makes one",
        )
        by_mail = (self.smtp_url, self.mail_from)
        for name, other in (("mail_from", "SMTP_URL"), ("smtp_url", "MAIL_FROM")):
            yield name, any(by_mail) and not getattr(self, name), f"needed with {PREFIX}{other}"
        half = any(push) and not all(push)
        pushed = "Pub/Sub push needs both its audience and its service account"
        yield "google_pubsub_audience", half and not push[0], pushed
        yield "google_pubsub_service_account", half and not push[1], pushed
        yield (
            "google_pubsub_subscription",
            bool(topic and not any(ways)),
            "a topic needs a subscription to pull, or an audience and a service account for push",
        )

    def _files_rules(self) -> Iterable[tuple[str, bool, str]]:
        key, secret = self.files_s3_access_key_id, self.files_s3_secret_access_key
        has_secret = bool(secret.get_secret_value())
        own = f"{PREFIX}FILES_S3_"
        s3 = key or has_secret or self.files_s3_endpoint or self.files_s3_region
        bucket = self.files_url.startswith("s3:")
        needed = "s3://bucket or s3://bucket/prefix is needed with the FILES_S3_ settings"
        yield "files_url", bool(s3) and not bucket, needed
        yield (
            "files_s3_access_key_id",
            has_secret and not key,
            f"needed with {own}SECRET_ACCESS_KEY",
        )
        yield (
            "files_s3_secret_access_key",
            bool(key) and not has_secret,
            f"needed with {own}ACCESS_KEY_ID",
        )

    @property
    def is_local(self) -> bool:
        """Whether the installation is reached on this machine only."""
        return values.is_loopback(self.public_url)

    @property
    def posts_anywhere(self) -> bool:
        """Whether outgoing webhooks may go to private addresses, and without https."""
        return self.is_local or self.webhooks_to_private_addresses

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.var.resolve() / 'replylog.sqlite3'}"

    @property
    def key_texts(self) -> tuple[str, ...]:
        """The secret keys in the clear, for `infra.secrets.Secrets`."""
        return tuple(key.get_secret_value() for key in self.secret_keys)

    @property
    def gmail_enabled(self) -> bool:
        return bool(self.google_client_id)

    @property
    def gmail_push_enabled(self) -> bool:
        return bool(self.google_pubsub_topic and self.google_pubsub_audience)

    @property
    def gmail_pull_enabled(self) -> bool:
        """Whether announcements must be fetched, because nobody pushes them."""
        return bool(self.google_pubsub_subscription and not self.google_pubsub_audience)

    @property
    def microsoft_enabled(self) -> bool:
        return bool(self.microsoft_client_id)


def load(env_file: str | Path | None = ".env") -> Settings:
    """The settings of this process, from its environment and `env_file`.

    Makes the secret key of a one-machine installation when there is none. Raises SettingsError.
    """
    try:
        given: Mapping[str, object] = dotenv_values(env_file) if env_file else {}
        _refuse_unknown({*os.environ, *given})  # noqa: TID251 - the one place
        settings = Settings(_env_file=env_file)  # type: ignore[call-arg]
        if settings.secret_keys:
            return settings
        made = keys.kept_in(settings.var)
        return settings.model_copy(update={"secret_keys": (SecretStr(made),)})
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except keys.BadKeyFile as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        raise SettingsError(f"{error.filename or env_file}: {error.strerror}") from None


def _refuse_unknown(names: Iterable[str]) -> None:
    known = [name.upper() for name in Settings.model_fields]
    lines = []
    for full in sorted(each.upper() for each in names if each.upper().startswith(PREFIX)):
        name = full.removeprefix(PREFIX)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
            lines.append(f"{full} is no setting of replylog{hint}")
    if lines:
        raise SettingsError("\n".join(lines))


def _explain(error: ValidationError) -> str:
    """One line for each wrong setting."""
    lines = []
    for each in error.errors(include_url=False):
        cause = each.get("ctx", {}).get("error")
        if isinstance(cause, values.Several):
            lines += [f"{PREFIX}{name.upper()}: {text}" for name, text in cause.wrong.items()]
        else:
            name = str(each["loc"][0])
            text = str(cause) if cause is not None else each["msg"]
            lines.append(f"{PREFIX}{name.upper()}{_shown(name, each['input'])}: {text}")
    return "\n".join(lines)


def _shown(name: str, value: Any) -> str:
    field = Settings.model_fields[name]
    secret = field.annotation is SecretStr or name == "secret_keys"
    return "" if secret else f"={values.without_password(str(value))!r}"

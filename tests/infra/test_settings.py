"""Settings: what they are by default, and how wrong ones are named."""

import stat
import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from infra import keys
from infra.settings import Settings, SettingsError, load

KEY = Fernet.generate_key().decode()
OTHER_KEY = Fernet.generate_key().decode()
REMOTE = {"PUBLIC_URL": "https://crm.example.com", "SECRET_KEYS": KEY}


@pytest.fixture
def environment(monkeypatch):
    def give(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"REPLYLOG_{name}", value)

    return give


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        load()
    return str(caught.value)


def test_nothing_set_is_an_installation_on_this_machine(tmp_path: Path):
    settings = load()

    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.resolved_database_url == f"sqlite:///{tmp_path}/var/replylog.sqlite3"
    assert settings.redis_url == ""
    assert not settings.gmail_enabled
    assert not settings.microsoft_enabled
    assert settings.is_local


def test_an_empty_variable_counts_as_not_set(environment):
    environment(PUBLIC_URL="", MICROSOFT_TENANT="")

    assert load().public_url == "http://127.0.0.1:8080"
    assert load().microsoft_tenant == "organizations"


def test_settings_come_from_a_dotenv_file_and_the_environment_wins(environment, tmp_path: Path):
    (tmp_path / ".env").write_text(
        "REPLYLOG_PUBLIC_URL=http://localhost:1\nREPLYLOG_REDIS_URL=redis://localhost\nOTHER=1\n"
    )
    environment(PUBLIC_URL="http://localhost:2")

    assert load().public_url == "http://localhost:2"
    assert load().redis_url == "redis://localhost"


ACCEPTED = [
    ("PUBLIC_URL", "http://localhost:8080/", "http://localhost:8080"),
    ("PUBLIC_URL", "http://[::1]:8080", "http://[::1]:8080"),
    ("PUBLIC_URL", "https://crm.example.com", "https://crm.example.com"),
    ("GMAIL_API_URL", "http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
    ("GRAPH_API_URL", "http://127.0.0.1:9000", "http://127.0.0.1:9000/v1.0"),
    ("GRAPH_API_URL", "http://127.0.0.1:9000/", "http://127.0.0.1:9000/v1.0"),
    ("GRAPH_API_URL", "https://graph.microsoft.us/beta/", "https://graph.microsoft.us/beta"),
    ("DATABASE_URL", "sqlite:////srv/crm data/x.db", "sqlite:////srv/crm data/x.db"),
    ("DATABASE_URL", "postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
    ("DATABASE_URL", "postgresql+psycopg://u@/d?host=/run", "postgresql+psycopg://u@/d?host=/run"),
    ("REDIS_URL", "rediss://:p@cache:6380/1", "rediss://:p@cache:6380/1"),
    ("REDIS_URL", "unix:///run/with%20space/r.sock", "unix:///run/with%20space/r.sock"),
    ("DNS_SERVER", "127.0.0.1:5353", "127.0.0.1:5353"),
    ("DNS_SERVER", "[::1]:53", "[::1]:53"),
    ("MICROSOFT_TENANT", "contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
    ("FILES_URL", "s3://mail-files/replylog/", "s3://mail-files/replylog"),
    ("FILES_URL", "s3://mail-files", "s3://mail-files"),
    ("FILES_URL", "file:///srv/crm files", "file:///srv/crm files"),
    ("FILES_S3_PATH_STYLE", "True", True),
    ("FILES_S3_PATH_STYLE", "false", False),
]


@pytest.mark.parametrize(("name", "value", "kept"), ACCEPTED)
def test_a_good_value_is_kept_without_its_trailing_slash(environment, name, value, kept):
    environment(SECRET_KEYS=KEY)
    environment(**{name: value})

    assert getattr(load(), name.lower()) == kept


REFUSED = [
    ("SMTP_URL", "mail.example.com", "expected smtp://user:password@host:587"),
    ("SMTP_URL", "https://mail.example.com", "expected smtp://user:password@host:587"),
    ("SMTP_URL", "smtp://mail.example.com/inbox", "expected smtp://user:password@host:587"),
    ("MAIL_FROM", "replylog", "expected an e-mail address, or Name <address>"),
    ("MAIL_FROM", "a@b.example, c@d.example", "expected an e-mail address, or Name <address>"),
    ("PUBLIC_URL", "crm.example.com", "an http or https URL"),
    ("PUBLIC_URL", "ftp://crm.example.com", "an http or https URL"),
    ("PUBLIC_URL", "http://crm.example.com", "https for a host that is not this machine"),
    ("PUBLIC_URL", "https://crm.example.com/app", "without a path"),
    ("PUBLIC_URL", "https://crm.example.com:port", "an http or https URL"),
    ("GMAIL_API_URL", "http://gmail.example.com", "https"),
    ("GRAPH_API_URL", "graph", "an http or https URL"),
    ("GRAPH_API_URL", "https://u@graph.example.com", "an http or https URL"),
    ("ENTRA_AUTHORITY_URL", "https://", "an http or https URL"),
    ("DATABASE_URL", "mysql://h/d", "postgresql+psycopg://"),
    ("DATABASE_URL", "postgresql://u@h/d", "postgresql+psycopg://"),
    ("DATABASE_URL", "sqlite://", "sqlite:///file"),
    ("REDIS_URL", "localhost:6379", "redis://host:6379/0"),
    ("REDIS_URL", "http://localhost", "redis://host:6379/0"),
    ("REDIS_URL", "unix://", "unix:///path"),
    ("DNS_SERVER", "127.0.0.1", "host:port"),
    ("DNS_SERVER", "127.0.0.1:domain", "host:port"),
    ("DNS_SERVER", "127.0.0.1:53/x", "host:port"),
    ("MICROSOFT_TENANT", "a b", "a tenant"),
    ("GOOGLE_PUBSUB_TOPIC", "topic", "projects/PROJECT/topics/NAME"),
    ("GOOGLE_PUBSUB_SUBSCRIPTION", "projects/p/topics/t", "projects/PROJECT/subscriptions/NAME"),
    ("GOOGLE_PUBSUB_SERVICE_ACCOUNT", "robot", "an e-mail address"),
    ("FILES_URL", "/srv/files", "s3://bucket, s3://bucket/prefix or file:///folder"),
    ("FILES_URL", "s3:///prefix", "s3://bucket, s3://bucket/prefix or file:///folder"),
    ("FILES_URL", "gs://bucket", "s3://bucket, s3://bucket/prefix or file:///folder"),
    ("FILES_S3_ENDPOINT", "minio:9000", "an http or https URL"),
    ("FILES_S3_ENDPOINT", "http://minio:9000/bucket", "without a path"),
    ("FILES_S3_PATH_STYLE", "yes", "expected true or false"),
]


@pytest.mark.parametrize(("name", "value", "expected"), REFUSED)
def test_a_wrong_value_is_named_with_what_is_expected(environment, name, value, expected):
    environment(**{name: value})

    text = refusal()

    assert text.startswith(f"REPLYLOG_{name}='{value}': ")
    assert expected in text
    assert "\n" not in text


def test_several_wrong_values_are_named_at_once(environment):
    environment(PUBLIC_URL="x", DATABASE_URL="y", DNS_SERVER="z")

    assert len(refusal().splitlines()) == 3


def test_a_wrong_secret_is_not_shown(environment):
    environment(SECRET_KEYS=f"{KEY},hunter2")

    text = refusal()

    assert "REPLYLOG_SECRET_KEYS: expected Fernet keys" in text
    assert "number 2" in text
    assert "hunter2" not in text
    assert KEY not in text


def test_a_bucket_s_secret_is_never_shown(environment):
    environment(FILES_S3_SECRET_ACCESS_KEY="hunter2", FILES_URL="s3://me:hunter2@bucket")

    text = refusal()

    assert "REPLYLOG_FILES_URL='s3://me:***@bucket': expected" in text
    assert "hunter2" not in text


def test_a_password_inside_a_wrong_url_is_not_shown(environment):
    environment(DATABASE_URL="mysql://me:hunter2@host/db", REDIS_URL="http://me:hunter2@host")

    text = refusal()

    assert "hunter2" not in text
    assert "mysql://me:***@host/db" in text


GROUPS = [
    ({"GOOGLE_CLIENT_ID": "i"}, "GOOGLE_CLIENT_SECRET"),
    ({"GOOGLE_CLIENT_SECRET": "s"}, "GOOGLE_CLIENT_ID"),
    ({"MICROSOFT_CLIENT_ID": "i"}, "MICROSOFT_CLIENT_SECRET"),
    ({"MICROSOFT_CLIENT_SECRET": "s"}, "MICROSOFT_CLIENT_ID"),
    ({"GOOGLE_PUBSUB_AUDIENCE": "a"}, "GOOGLE_PUBSUB_SERVICE_ACCOUNT"),
    ({"GOOGLE_PUBSUB_SERVICE_ACCOUNT": "a@b.example"}, "GOOGLE_PUBSUB_AUDIENCE"),
    ({"GOOGLE_PUBSUB_SUBSCRIPTION": "projects/p/subscriptions/s"}, "GOOGLE_PUBSUB_TOPIC"),
    ({"GOOGLE_PUBSUB_TOPIC": "projects/p/topics/t"}, "GOOGLE_PUBSUB_SUBSCRIPTION"),
    ({"GOOGLE_PUBSUB_TOPIC": "projects/p/topics/t"}, "GOOGLE_CLIENT_ID"),
    ({"SMTP_URL": "smtp://mail.example.com"}, "MAIL_FROM"),
    ({"MAIL_FROM": "crm@example.com"}, "SMTP_URL"),
    ({"FILES_S3_ENDPOINT": "https://s3.example.com"}, "FILES_URL"),
    ({"FILES_S3_REGION": "eu-central-1", "FILES_URL": "file:///srv/files"}, "FILES_URL"),
    ({"FILES_S3_ACCESS_KEY_ID": "i", "FILES_URL": "s3://b1"}, "FILES_S3_SECRET_ACCESS_KEY"),
    ({"FILES_S3_SECRET_ACCESS_KEY": "s", "FILES_URL": "s3://b1"}, "FILES_S3_ACCESS_KEY_ID"),
]


@pytest.mark.parametrize(("given", "missing"), GROUPS)
def test_half_a_group_names_the_missing_half(environment, given, missing):
    environment(**given)

    assert f"REPLYLOG_{missing}: " in refusal()


def test_a_whole_group_switches_its_provider_on(environment):
    environment(
        GOOGLE_CLIENT_ID="i",
        GOOGLE_CLIENT_SECRET="s",
        GOOGLE_PUBSUB_TOPIC="projects/p/topics/t",
        GOOGLE_PUBSUB_AUDIENCE="https://crm.example.com/webhooks/gmail",
        GOOGLE_PUBSUB_SERVICE_ACCOUNT="push@p.iam.gserviceaccount.com",
        MICROSOFT_CLIENT_ID="i",
        MICROSOFT_CLIENT_SECRET="s",
    )

    settings = load()

    assert settings.gmail_enabled
    assert settings.gmail_push_enabled
    assert settings.microsoft_enabled
    assert "'s'" not in repr(settings)


def test_a_misspelt_name_is_refused_with_the_nearest(environment):
    environment(PUBLIK_URL="http://localhost", ZZZZZZ="1")

    assert refusal().splitlines() == [
        "REPLYLOG_PUBLIK_URL is no setting of replylog; did you mean REPLYLOG_PUBLIC_URL?",
        "REPLYLOG_ZZZZZZ is no setting of replylog",
    ]


def test_a_misspelt_name_in_the_dotenv_file_is_refused_too(tmp_path: Path):
    (tmp_path / ".env").write_text("REPLYLOG_GOOGLE_CLIENT=x\n")

    assert "did you mean REPLYLOG_GOOGLE_CLIENT_ID?" in refusal()


def test_keys_are_demanded_when_others_reach_us(environment):
    environment(PUBLIC_URL="https://crm.example.com")

    assert refusal().startswith("REPLYLOG_SECRET_KEYS: ")


def test_keys_are_a_list(environment):
    environment(**REMOTE | {"SECRET_KEYS": f"{KEY}, {OTHER_KEY}"})

    assert load().key_texts == (KEY, OTHER_KEY)


def test_the_key_of_one_machine_is_made_once_and_only_for_our_eyes(tmp_path: Path):
    first = load()

    assert load().key_texts == first.key_texts
    assert stat.S_IMODE((tmp_path / "var" / "secret_keys").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret_keys"]


def test_many_that_start_at_once_get_the_same_key(tmp_path: Path):
    found: list[str] = []
    together = threading.Barrier(16)

    def first_start() -> None:
        together.wait()
        found.append(keys.kept_in(tmp_path / "var"))

    threads = [threading.Thread(target=first_start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16
    assert len(set(found)) == 1


def test_a_damaged_key_file_stops_the_start(tmp_path: Path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secret_keys").write_text("garbage")

    assert "secret_keys holds no Fernet key" in refusal()
    assert "garbage" not in refusal()


def test_a_folder_that_cannot_be_made_is_one_line(environment, tmp_path: Path):
    (tmp_path / "file").touch()
    environment(VAR=str(tmp_path / "file" / "var"))

    assert "Not a directory" in refusal()


def test_settings_cannot_be_changed():
    settings = Settings()

    with pytest.raises(ValueError, match="frozen"):
        settings.public_url = "http://localhost"


@pytest.mark.parametrize("sender", ["crm@example.com", "Our CRM <crm@example.com>"])
@pytest.mark.parametrize(
    "url", ["smtp://me:hunter2@mail.example.com:587", "smtps://mail.example.com"]
)
def test_notices_by_mail_need_a_server_and_a_sender(environment, url, sender):
    environment(SMTP_URL=url, MAIL_FROM=sender)

    settings = load()

    assert (settings.smtp_url, settings.mail_from) == (url, sender)
    assert "hunter2" not in repr(settings)

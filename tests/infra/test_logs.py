"""What a log line may hold."""

import json
import logging

import pytest

from infra import logs


def lines(capsys) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_says_what_when_and_which_role(capsys):
    logs.configure("web", terminal=False)
    logs.get("x").info("mailbox drained", mailbox_id=7)

    [line] = lines(capsys)
    assert line["event"] == "mailbox drained"
    assert line["role"] == "web"
    assert line["mailbox_id"] == 7
    assert line["level"] == "info"
    assert str(line["timestamp"]).endswith("Z")


@pytest.mark.parametrize(
    "key",
    [
        "body",
        "subject",
        "Subject",
        "token",
        "access_token",
        "password",
        "Authorization",
        "html",
        "client_secret",
        "clientState",
        "cookie",
        "api_key",
        "code_verifier",
        "recipients",
    ],
)
def test_a_telling_key_is_blanked_at_any_depth(capsys, key: str):
    logs.configure("web", terminal=False)
    logs.get("x").info("x", **{key: "hunter2", "deep": {"list": [{key: "hunter2"}]}})

    [line] = lines(capsys)
    assert "hunter2" not in json.dumps(line)
    assert line[key] == logs.REDACTED


def test_the_standard_librarys_loggers_speak_the_same_way(capsys):
    logs.configure("worker", terminal=False)
    logging.getLogger("some.library").warning("careful")
    logging.getLogger("some.library").info("GET https://host/users/a@b.example")

    [line] = lines(capsys)
    assert line["event"] == "careful"
    assert line["role"] == "worker"


def test_an_exception_stays_on_one_line(capsys):
    logs.configure("worker", terminal=False)
    try:
        raise ValueError("broken")
    except ValueError:
        logs.get("x").exception("failed")

    [line] = lines(capsys)
    assert "builtins.ValueError" in str(line["exception"])


def test_a_terminal_gets_lines_for_people(capsys):
    logs.configure("web", terminal=True)
    logs.get("x").info("hello", token="hunter2")

    text = capsys.readouterr().err
    assert "hello" in text
    assert "hunter2" not in text
    assert not text.startswith("{")


def _fail() -> None:
    try:
        raise KeyError("maria@globex.test")
    except KeyError as error:
        raise ValueError("Re: Offer 12, ya29.token") from error


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("whose", ["ours", "a library's"])
def test_an_exception_is_told_by_class_and_place_but_not_in_its_words(capsys, terminal, whose):
    logs.configure("worker", terminal=terminal)
    speak = logs.get("x").exception if whose == "ours" else logging.getLogger("lib").exception
    try:
        _fail()
    except ValueError:
        speak("message failed")
    said = capsys.readouterr().err
    assert "builtins.ValueError from builtins.KeyError" in said
    assert "test_logs.py" in said
    for secret in ("maria@globex.test", "Offer 12", "ya29"):
        assert secret not in said

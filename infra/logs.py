"""Logs: one line an event on stderr, JSON for machines or colours for a terminal.

No body, subject, token or list of addresses may reach a log line. Code must not hand them over;
`redact` is the net below: it blanks values by their key, at any depth.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
_SECRET = re.compile(
    r"body|subject|text|html|snippet|token|secret|passw|authoriz|cookie|session|client_?state"
    r"|verifier|assertion|credential|api_?key|secret_keys?|raw|payload|recipients|addresses",
    re.IGNORECASE,
)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: values under telling keys become `[redacted]`."""
    return {key: value if key == "event" else _clean(key, value) for key, value in event.items()}


def _clean(key: object, value: object) -> object:
    if isinstance(key, str) and _SECRET.search(key):
        return REDACTED
    if isinstance(value, Mapping):
        return {inner: _clean(inner, each) for inner, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", each) for each in value]
    return value


def wordless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: of an exception its class and its place in the code. Its text may quote
    what it failed on: a database names the row, an HTTP library the whole address."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    elif isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    if isinstance(error, tuple) and error[1] is not None:
        event["exception"] = "\n".join(_chain(error[1], error[2]))
    return event


def _chain(error: BaseException, trace: TracebackType | None) -> list[str]:
    """The traceback of `error` without its words, and the classes of what it came from."""
    lines = [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)
    ]
    names, seen = [], set[int]()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        names.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or cause.__context__
    return [*lines, " from ".join(names)]


def configure(role: str, terminal: bool | None = None, level: int = logging.INFO) -> None:
    """Send structlog and the standard library's loggers to stderr, marked with `role`.

    `terminal` None: colours when stderr is one. Libraries speak from WARNING on: on INFO some
    print the addresses of their requests.
    """
    colours = sys.stderr.isatty() if terminal is None else terminal
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=True)]
        if colours
        else [structlog.processors.JSONRenderer(default=str)]
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        wordless,
        redact,
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(role=role)
    _adopt_standard_library(shared, last)


def _adopt_standard_library(shared: list[Processor], last: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def get(name: str) -> Any:
    """A logger; `log.info("mailbox drained", mailbox_id=7, logged=3)`."""
    return structlog.get_logger(name)

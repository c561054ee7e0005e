"""Logs: one line an event on stderr, JSON for machines or colours for a terminal.

No body, subject, token or list of addresses may reach a log line. Code must not hand them over;
`redact` is the net below: it blanks values by their key, at any depth.
"""

import logging
import re
import sys
from collections.abc import Mapping
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


def configure(role: str, terminal: bool | None = None, level: int = logging.INFO) -> None:
    """Send structlog and the standard library's loggers to stderr, marked with `role`.

    `terminal` None: colours when stderr is one. Libraries speak from WARNING on: on INFO some
    print the addresses of their requests.
    """
    colours = sys.stderr.isatty() if terminal is None else terminal
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=True)]
        if colours
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
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

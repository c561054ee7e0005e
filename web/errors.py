"""Pages for what went wrong, in plain words."""

from flask import Flask, Response, g, make_response, render_template
from flask_limiter import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from crm.database import OperationalError
from infra.logs import get
from web.api import problems
from workers.queue import QueueDown

Page = tuple[str, int] | Response
SMALLEST_ERROR = 400
SERVER_ERROR = 500

_WORDS = {
    400: ("That did not arrive in one piece", "Go back, load the page again and repeat it."),
    403: ("This is not yours to see", "It belongs to somebody else in your company."),
    404: ("There is nothing here", "It was removed, or the address has a typing mistake."),
    405: ("That cannot be done here", "Go back and use the buttons of the page."),
    413: ("That is too large", "Send less at a time."),
    429: ("Too many tries", "Wait a few minutes, then try again."),
    500: (
        "Something broke on our side",
        "It was written down for the people who run this installation. Nothing is lost.",
    ),
    503: (
        "A part of the service does not answer",
        "Nothing is lost. Try again in a minute.",
    ),
}


def register(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(problems.Problem, problems.of)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(RateLimitExceeded, _too_many)
    app.register_error_handler(QueueDown, _down)
    app.register_error_handler(OperationalError, _down)
    app.register_error_handler(RedisError, _down)
    app.register_error_handler(Exception, _bug)


def page(status: int, title: str = "", text: str = "") -> Page:
    """The page for an HTTP status, with its own words or the given ones; for a program, the same
    as JSON."""
    g.alone = status >= SERVER_ERROR  # who is signed in may be what cannot be found out
    words = _WORDS.get(status, _WORDS[500] if status >= SERVER_ERROR else _WORDS[400])
    if problems.is_api():
        return problems.of_status(status)
    body = render_template(
        "error.html", status=status, title=title or words[0], text=text or words[1]
    )
    return body, status


def _http(error: HTTPException) -> Page | HTTPException:
    code = error.code or 500
    if wrong := getattr(error, "data", {}).get("messages"):  # of fields, from webargs
        return problems.of_fields(code, wrong)
    if code < SMALLEST_ERROR:
        return error
    answer = make_response(page(code))
    if isinstance(error, MethodNotAllowed):
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return answer


def _stale_form(_: CSRFError) -> Page:
    return page(
        400,
        "This page was open for too long",
        "Your browser sent no proof that the form came from here. Go back, load the page again "
        "and repeat it.",
    )


def _too_many(error: RateLimitExceeded) -> Page:
    answer = make_response(page(429))
    answer.headers["Retry-After"] = str(error.limit.limit.get_expiry())
    return answer


def _down(error: Exception) -> Page:
    get(__name__).warning("a part does not answer", error=type(error).__name__)
    return page(503)


def _bug(error: Exception) -> Page:
    # The text of an error may quote mail; its class and place in the code cannot.
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else ""
    get(__name__).error("a page failed", error=type(error).__name__, place=place)
    return page(500)

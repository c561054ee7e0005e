"""Settings → Outgoing webhooks, for admins: endpoints, their topics, what became of each event."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.store import deliveries, endpoints
from crm.store.endpoints import MOST, Endpoint, NoSuchEndpoint, TooMany
from crm.store.paging import WrongCursor
from crm.topics import REFUSED, TOPICS, State
from infra import posting
from infra.posting import WrongUrl
from web import live
from web.parts import parts
from web.people import admin_only, me

PER_PAGE = 30
WRONG = 422
NO_TOPIC = "Choose at least one topic."
STATES = {
    State.ACTIVE: "Active",
    State.PAUSED: "Paused",
    State.FAILING: "Paused: it failed for days",
    State.GONE: "Off: it answered 410, Gone",
}
SINCE = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
ERRORS = {  # what the class of a failure means, for people; without its full stop
    "Status": "It answered with an error",
    "Redirect": "It answered with a redirect, and those are not followed",
    "Timeout": "It did not answer in time",
    "ConnectionError": "It could not be reached",
    "TLSError": "Its certificate is not valid",
    "ForbiddenAddress": "Its name leads to an address that is not on the public internet",
    "WrongUrl": "Only https:// and public addresses are posted to",
    "WrongKey": "Its secret cannot be decrypted: a key is missing from REPLYLOG_SECRET_KEYS",
}


def listing() -> str:
    admin_only()
    return _listing()


def add() -> str | tuple[str, int]:
    """Add an endpoint. The answer shows its secret: it can not be read again."""
    admin_only()
    here, topics = parts(), _topics()
    errors: dict[str, str] = {} if topics else {"topics": NO_TOPIC}
    url = request.form.get("url", "")
    try:
        url = posting.check(url, here.settings.posts_anywhere)
        if not errors:
            with here.database.begin() as conn:
                made = endpoints.add(conn, me().account_id, url, topics, here.secrets, here.clock())
            return _page(made.id, secret=made.secret)
    except WrongUrl as error:
        errors["url"] = str(error)
    except TooMany:
        errors["url"] = f"There is room for {MOST} endpoints. Remove one first."
    return _listing(errors, url, topics), WRONG


def page(endpoint_id: int) -> str:
    admin_only()
    return _page(endpoint_id)


def log_part(endpoint_id: int) -> Response:
    """The newest deliveries, for a page that follows itself up."""
    admin_only()
    shown = _log(_endpoint(endpoint_id))
    return live.part("parts/deliveries.html", str(shown.pop("version")), **shown)


def change(endpoint_id: int) -> AnyResponse | tuple[str, int]:
    """Another URL, other topics."""
    admin_only()
    _endpoint(endpoint_id)
    here, topics = parts(), _topics()
    errors: dict[str, str] = {} if topics else {"topics": NO_TOPIC}
    url = request.form.get("url", "")
    try:
        url = posting.check(url, here.settings.posts_anywhere)
    except WrongUrl as error:
        errors["url"] = str(error)
    if errors:
        return _page(endpoint_id, errors=errors, url=url, topics=topics), WRONG
    with here.database.begin() as conn:
        endpoints.change(conn, me().account_id, endpoint_id, url, topics)
    return _back(endpoint_id, "Saved.")


def act(endpoint_id: int, do: str) -> AnyResponse | str:
    """Test, pause, resume, rotate the secret, remove."""
    admin_only()
    _endpoint(endpoint_id)
    here, mine = parts(), (me().account_id, endpoint_id)
    now, secret = here.clock(), ""
    with here.database.begin() as conn:
        if do == "test":
            endpoints.send_test(conn, *mine, now)
        elif do == "pause":
            endpoints.pause(conn, *mine, State.PAUSED)
        elif do == "resume":
            endpoints.resume(conn, *mine, now)
        elif do == "remove":
            endpoints.remove(conn, *mine)
        elif do == "rotate":
            secret = endpoints.rotate(conn, *mine, here.secrets, now)
        else:
            abort(404)
    if secret:
        return _page(endpoint_id, secret=secret, rotated=True)
    if do == "remove":
        flash("The endpoint was removed.")
        return redirect(url_for("webhooks"))
    said = {
        "test": "A test is on its way. Its outcome shows below.",
        "pause": "Paused. What it should be told waits for up to 30 days.",
        "resume": "It is told again; what waited goes first.",
    }
    return _back(endpoint_id, said[do])


def replay(endpoint_id: int) -> AnyResponse:
    """Send again: one delivery, all dead ones, or everything since a time."""
    admin_only()
    _endpoint(endpoint_id)
    mine, now = (me().account_id, endpoint_id), parts().clock()
    one, since = request.form.get("delivery", 0, type=int), request.form.get("since", "")
    with parts().database.begin() as conn:
        if since:
            back = SINCE.get(since) or abort(404)
            number = endpoints.replay_since(conn, *mine, now - back, now)
        else:
            number = endpoints.replay(conn, *mine, now, one or None)
    events = "1 event is" if number == 1 else f"{number} events are"
    return _back(endpoint_id, f"{events} sent again.")


def _topics() -> tuple[str, ...]:
    chosen = set(request.form.getlist("topics"))
    return tuple(each for each in TOPICS if each in chosen)


def _listing(errors: Any = None, url: str = "", topics: tuple[str, ...] = ()) -> str:
    with parts().database.read() as conn:
        rows = endpoints.rows(conn, me().account_id)
        numbers = {each.id: deliveries.counts(conn, me().account_id, each.id) for each in rows}
    usual = tuple(each for each in TOPICS if each != REFUSED)
    return render_template(
        "settings/webhooks.html",
        rows=rows,
        numbers=numbers,
        states=STATES,
        all_topics=TOPICS,
        chosen=topics if errors else usual,
        url=url,
        errors=errors or {},
    )


def _page(endpoint_id: int, secret: str = "", rotated: bool = False, **form: Any) -> str:
    row = _endpoint(endpoint_id)
    with parts().database.read() as conn:
        counts = deliveries.counts(conn, me().account_id, row.id)
    now = parts().clock()
    return render_template(
        "settings/webhook.html",
        counts=counts,
        secret=secret,
        rotated=rotated,
        states=STATES,
        all_topics=TOPICS,
        chosen=form.get("topics", row.topics),
        url=form.get("url", row.url),
        errors=form.get("errors", {}),
        two_secrets=row.former_until if row.former_until and row.former_until > now else None,
        **_log(row),
    )


def _log(row: Endpoint) -> dict[str, Any]:
    after, dead_only = request.args.get("after", ""), request.args.get("show") == "dead"
    with parts().database.read() as conn:
        try:
            found = deliveries.listing(
                conn, me().account_id, row.id, PER_PAGE, after, dead_only=dead_only
            )
        except WrongCursor:
            abort(404)
    now = parts().clock().astimezone(UTC)
    return {
        "row": row,
        "deliveries": found.items,
        "more": found.next,
        "dead_only": dead_only,
        "follows": not after,
        "why": ERRORS,
        "version": live.version(found.items, row.state, _minute(now)),
    }


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)


def _endpoint(endpoint_id: int) -> Endpoint:
    try:
        with parts().database.read() as conn:
            return endpoints.one(conn, me().account_id, endpoint_id)
    except NoSuchEndpoint:
        abort(404)


def _back(endpoint_id: int, text: str) -> AnyResponse:
    flash(text)
    return redirect(url_for("webhook", endpoint_id=endpoint_id))

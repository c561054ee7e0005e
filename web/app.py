"""The pages for people. The whole map of this role is `ROUTES`."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, redirect, request, url_for
from flask_login import current_user
from werkzeug.routing import IntegerConverter, Map
from werkzeug.wrappers import Response as AnyResponse

from crm.database import Database
from infra import redis_client
from infra.blobs import Blobs
from infra.secrets import Secrets
from infra.settings import Settings
from providers import registry
from web import (
    audits,
    companies,
    connect,
    connected,
    contacts,
    deals,
    emails,
    errors,
    explainer,
    files,
    gaps,
    history,
    journal,
    journal_counts,
    journal_rows,
    journal_values,
    mailboxes,
    merging,
    operations,
    operator,
    people,
    search,
    security,
    settings_connection,
    settings_keys,
    settings_logging,
    settings_never_log,
    settings_sections,
    settings_webhooks,
    shell,
    signin,
    staff,
    visibility,
)
from web.api import mount, problems
from web.parts import NAME, Clock, OpenClient, Parts, utc_now
from workers.queue import Queue

View = Callable[..., Any]


def home() -> AnyResponse:
    return redirect(url_for("contacts"))


GET, POST = ("GET",), ("POST",)
ROUTES: tuple[tuple[str, str, View, tuple[str, ...]], ...] = (  # path, endpoint, view, methods
    ("/", "home", home, GET),
    ("/sign-in", "sign_in", signin.page, GET),
    ("/sign-in", "sign_in_submit", signin.throttle(signin.submit), POST),
    ("/sign-in/<token>", "sign_in_by_link", signin.by_link, GET),
    ("/sign-out", "sign_out", signin.leave, POST),
    ("/connect", "connect", connect.page, GET),
    ("/connect", "connect_ask", connect.ask_host, POST),
    ("/connect/<provider_path>", "connect_start", connect.start, GET),
    ("/connect/<provider_path>/callback", "connect_callback", connect.callback, GET),
    ("/connect/<provider_path>/anyway", "connect_anyway", connect.anyway, POST),
    ("/mailboxes", "mailboxes", mailboxes.page, GET),
    ("/mailboxes/cards", "mailbox_cards", mailboxes.cards_part, GET),
    ("/mailboxes/<int:mailbox_id>/connected", "connected", connected.page, GET),
    ("/mailboxes/<int:mailbox_id>/newest", "newest", journal.newest_part, GET),
    ("/mailboxes/<int:mailbox_id>/reconnect", "reconnect", connect.reconnect, GET),
    ("/mailboxes/<int:mailbox_id>/reconnect/start", "reconnect_start", connect.start_again, GET),
    ("/mailboxes/<int:mailbox_id>/stays", "stays", connect.stays, POST),
    ("/mailboxes/<int:mailbox_id>/gaps", "gaps", gaps.part, GET),
    ("/mailboxes/<int:mailbox_id>/gaps/<int:gap_id>/<do>", "gap", gaps.choose, POST),
    ("/mailboxes/<int:mailbox_id>/sync", "sync_now", mailboxes.sync_now, POST),
    ("/mailboxes/<int:mailbox_id>/rules", "read_rules", mailboxes.read_rules, POST),
    ("/mailboxes/<int:mailbox_id>/disconnect", "disconnect", mailboxes.ask_disconnect, GET),
    ("/mailboxes/<int:mailbox_id>/disconnect", "disconnect_now", mailboxes.disconnect, POST),
    ("/mailboxes/<int:mailbox_id>/journal", "journal", journal.of_mailbox, GET),
    ("/mailboxes/<int:mailbox_id>/history", "history", history.page, GET),
    ("/mailboxes/<int:mailbox_id>/history/lines", "history_lines", history.lines_part, GET),
    ("/mailboxes/<int:mailbox_id>/audit", "audit", audits.page, GET),
    ("/mailboxes/<int:mailbox_id>/audit", "audit_now", audits.begin, POST),
    ("/mailboxes/<int:mailbox_id>/audit/lines", "audit_lines", audits.lines_part, GET),
    ("/why", "why", journal.page, GET),
    ("/why/lines", "why_lines", journal.lines_part, GET),
    ("/why/rows/<int:row_id>", "why_row", journal_rows.row_part, GET),
    ("/why/rows/<int:row_id>/values", "why_values", journal_values.page, GET),
    ("/why/rows/<int:row_id>/<do>", "why_act", journal_rows.act, POST),
    ("/why/counts", "why_counts", journal_counts.page, GET),
    ("/why/explain", "explain", explainer.page, GET),
    ("/why/explain", explainer.ENDPOINT, explainer.answer, POST),
    ("/contacts", "contacts", contacts.listing, GET),
    ("/contacts/new", "new_contact", contacts.new, GET),
    ("/contacts/new", "add_contact", contacts.add, POST),
    ("/contacts/<int:contact_id>", "contact", contacts.page, GET),
    ("/contacts/<int:contact_id>/timeline", "contact_timeline", contacts.timeline_part, GET),
    ("/contacts/<int:contact_id>/company", "set_company", contacts.set_company, POST),
    ("/contacts/<int:contact_id>/addresses", "add_address", contacts.add_address, POST),
    (
        "/contacts/<int:contact_id>/addresses/remove",
        "remove_address",
        merging.remove_address,
        POST,
    ),
    ("/contacts/<int:contact_id>/merge", "merge", merging.page, GET),
    ("/contacts/<int:contact_id>/merge", "merge_now", merging.merge, POST),
    ("/companies", "companies", companies.listing, GET),
    ("/companies", "add_company", companies.add, POST),
    ("/companies/<int:company_id>", "company", companies.page, GET),
    ("/companies/<int:company_id>/timeline", "company_timeline", companies.timeline_part, GET),
    ("/deals", "deals", deals.listing, GET),
    ("/deals", "add_deal", deals.add, POST),
    ("/deals/<int:deal_id>", "deal", deals.page, GET),
    ("/deals/<int:deal_id>/timeline", "deal_timeline", deals.timeline_part, GET),
    ("/deals/<int:deal_id>/open", "set_deal_open", deals.set_open, POST),
    ("/deals/<int:deal_id>/contacts", "add_to_deal", deals.add_contact, POST),
    (
        "/deals/<int:deal_id>/contacts/<int:contact_id>/remove",
        "remove_from_deal",
        deals.remove_contact,
        POST,
    ),
    ("/search", "search", search.page, GET),
    ("/emails/<int:email_id>", "email", emails.page, GET),
    ("/emails/<int:email_id>/shown", "email_shown", emails.shown_part, GET),
    ("/emails/<int:email_id>/body", "email_body", emails.body, GET),
    ("/emails/<int:email_id>/body", "email_pictures", emails.body_with_pictures, POST),
    ("/emails/<int:email_id>/whole", "email_whole", emails.whole, GET),
    ("/emails/<int:email_id>/files/<int:file_id>", "email_file", files.download, GET),
    ("/contacts/<int:contact_id>/files", "contact_files", files.page, GET),
    ("/emails/<int:email_id>/visibility", "restrict_email", visibility.restrict, POST),
    ("/operator", "operator", operator.page, GET),
    ("/operator/rows", "operator_rows", operator.rows_part, GET),
    ("/operator/runbook", "runbook", operator.runbook, GET),
    ("/settings/visibility", "visibility", visibility.page, GET),
    ("/settings/visibility", "save_visibility", visibility.save, POST),
    ("/settings/people", "staff", staff.page, GET),
    ("/settings/people/<int:user_id>", "change_person", staff.change, POST),
    ("/settings/people/<int:user_id>/active", "person_active", staff.set_active, POST),
    ("/settings/teams", "add_team", staff.add_team, POST),
    ("/settings/teams/<int:team_id>/remove", "remove_team", staff.remove_team, POST),
    ("/settings", "preferences", settings_sections.overview, GET),
    ("/settings/logging", "settings_logging", settings_logging.show, GET),
    ("/settings/logging/switches/<name>", "turn_switch", settings_logging.turn, POST),
    ("/settings/logging/folders", "save_folders", settings_logging.save_folders, POST),
    ("/settings/logging/attachments", "save_attachments", settings_logging.save_attachments, POST),
    ("/settings/domains", "add_domain", settings_logging.add_domain, POST),
    ("/settings/domains/remove", "remove_domain", settings_logging.remove_domain, POST),
    ("/settings/connection", "settings_connection", settings_connection.show, GET),
    ("/settings/connection", "save_connection", settings_connection.save, POST),
    ("/settings/connection/servers", "save_servers", settings_connection.save_servers, POST),
    ("/settings/connection/team", "save_team", settings_connection.save_team, POST),
    ("/settings/webhooks", "webhooks", settings_webhooks.listing, GET),
    ("/settings/webhooks", "add_webhook", settings_webhooks.add, POST),
    ("/settings/webhooks/<int:endpoint_id>", "webhook", settings_webhooks.page, GET),
    ("/settings/webhooks/<int:endpoint_id>", "change_webhook", settings_webhooks.change, POST),
    ("/settings/webhooks/<int:endpoint_id>/log", "webhook_log", settings_webhooks.log_part, GET),
    ("/settings/webhooks/<int:endpoint_id>/replay", "replay", settings_webhooks.replay, POST),
    ("/settings/webhooks/<int:endpoint_id>/<do>", "webhook_do", settings_webhooks.act, POST),
    ("/settings/keys", "api_keys", settings_keys.listing, GET),
    ("/settings/keys", "add_api_key", settings_keys.add, POST),
    ("/settings/keys/remove", "remove_api_key", settings_keys.remove, POST),
    ("/settings/never-log", "settings_never_log", settings_never_log.show, GET),
    ("/settings/never-log/<whose>", "add_never_log", settings_never_log.add, POST),
    ("/settings/never-log/<whose>/again", "look_again", settings_never_log.look_again, POST),
    (
        "/settings/never-log/<whose>/<int:entry_id>",
        "never_log_entry",
        settings_never_log.entry,
        GET,
    ),
    (
        "/settings/never-log/<whose>/<int:entry_id>",
        "remove_never_log",
        settings_never_log.remove,
        POST,
    ),
    ("/healthz", "healthz", operations.probe, GET),
    ("/readyz", "readyz", operations.probe, GET),
    ("/metrics", "metrics", operations.probe, GET),
)
FOR_EVERYBODY = frozenset(
    {"sign_in", "sign_in_submit", "sign_in_by_link", "static", "healthz", "readyz", "metrics"}
)


class RowId(IntegerConverter):
    """An id that a row can have; any other leads nowhere."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=2**31 - 1)


def create_app(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    open_client: OpenClient = registry.open_client,
) -> Flask:
    """The WSGI application of the role `web`. Opens no connection before the first request."""
    app = Flask("web")
    app.extensions[NAME] = parts_of(settings, clock=clock, open_client=open_client)
    explainer.allow_files(app)
    security.protect(app, settings)
    _limit_tries(app, settings)
    people.manager.init_app(app, add_context_processor=False)
    shell.register(app)
    errors.register(app)
    app.before_request(_require_sign_in)
    app.url_map.converters["int"] = RowId
    app.url_map.merge_slashes = False  # such a redirect would name the host that the request names
    for path, endpoint, view, methods in ROUTES:
        app.add_url_rule(path, endpoint, view, methods=methods)
    mount.register(app)
    return app


def parts_of(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    open_client: OpenClient = registry.open_client,
) -> Parts:
    """What the pages of these settings work with."""
    redis = redis_client.web_client(settings)
    return Parts(
        settings=settings,
        database=Database(settings.resolved_database_url),
        secrets=Secrets(settings.key_texts),
        redis=redis,
        queue=Queue(redis),
        blobs=Blobs(settings),
        clock=clock,
        open_client=open_client,
    )


def _require_sign_in() -> Response | str | None:
    """Every page is for people who signed in, but those of `FOR_EVERYBODY` and what is not there."""
    if request.endpoint == "connect_callback" and "admin_consent" in request.args:
        return connect.agreed()  # an administrator, who need not be a user
    if problems.is_api():  # programs bring a key
        return None
    if request.endpoint in FOR_EVERYBODY or current_user.is_authenticated:
        return None
    return people.manager.unauthorized()  # type: ignore[no-any-return]


def _limit_tries(app: Flask, settings: Settings) -> None:
    app.config.update(
        RATELIMIT_STORAGE_URI=_limits_in(settings.redis_url),
        RATELIMIT_STORAGE_OPTIONS={
            "socket_timeout": redis_client.WEB_TIMEOUT,
            "socket_connect_timeout": redis_client.WEB_TIMEOUT,
        },
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_KEY_PREFIX="replylog",
    )
    signin.limiter.init_app(app)


def _limits_in(redis_url: str) -> str:
    """The name that Flask-Limiter has for a Redis on a socket."""
    return f"redis+{redis_url}" if redis_url.startswith("unix:") else redis_url

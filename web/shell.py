"""What every page has: the top bar, the banner, times in words."""

import hashlib
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, request, url_for
from flask_login import current_user
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from crm.model import MailboxStatus
from crm.store import endpoints, mailboxes
from crm.store.endpoints import Endpoint
from crm.store.mailboxes import Mailbox
from infra.settings import Settings
from providers import causes
from web import files, opening, when
from web.mail_html import FRAME_FLAGS
from web.parts import NAME, parts
from web.people import me
from web.settings_sections import SECTIONS

MENU: tuple[tuple[str, str, str | tuple[str, ...]], ...] = (  # name, endpoint, paths begin so
    ("Contacts", "contacts", ("/contacts", "/companies", "/deals")),
    ("Mailboxes", "mailboxes", "/mailboxes"),
    ("Why?", "why", "/why"),
    ("Settings", "preferences", ("/settings", "/operator")),
)


@dataclass(frozen=True, slots=True)
class Stopped:
    """A mailbox that waits for its owner."""

    mailbox: Mailbox
    cause: causes.Cause

    @property
    def plain(self) -> bool:
        """Whether to reconnect is all that there is to do: the button says so."""
        return self.cause.action == causes.AGAIN

    @property
    def promise(self) -> str:
        return causes.promise(self.cause)


def register(app: Flask) -> None:
    app.context_processor(_every_page)
    app.template_filter("when")(_when)
    app.template_filter("initials")(initials)
    app.template_filter("size")(size)
    gmail = app.extensions[NAME].settings.gmail_api_url
    app.jinja_env.globals.update(
        frame_flags=FRAME_FLAGS,
        sections=SECTIONS,
        real_google=gmail == Settings.model_fields["gmail_api_url"].default,
        shown_file=files.shown,
        newest_files=files.newest,
        open_in=opening.links,
        decides=lambda email: me().decides(email),
        in_team=lambda: me().user.team_id is not None,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def initials(name: str) -> str:
    """Up to two letters for a person: "Maria Rossi" MR, "bob@globex.test" B."""
    words = [word for word in name.partition("@")[0].replace(".", " ").split() if word]
    return "".join(word[0] for word in (*words[:1], *words[1:][-1:])).upper() or "?"


def size(count: int) -> str:
    """Bytes in words: 812 B, 14 KB, 2.1 MB."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.0f} KB"
    return f"{count / 1_000_000:.1f} MB"


def _every_page() -> dict[str, Any]:
    about: dict[str, Any] = {"static": _static, "csrf": _csrf, "me": None, "stopped": []}
    if g.get("alone") or not current_user.is_authenticated or request.headers.get("HX-Request"):
        return about
    return about | {
        "me": me(),
        "menu": _menu(),
        **_stopped(),
        "webhooks_stopped": _webhooks_stopped(),
    }


def _when(value: Any, missing: str = "never") -> Markup:
    return when.tag(value, parts().clock().astimezone(UTC), missing)


def _menu() -> list[tuple[str, str, bool]]:
    path = request.path
    return [(name, endpoint, path.startswith(start)) for name, endpoint, start in MENU]


def _stopped() -> dict[str, list[Stopped]]:
    """One's own mailboxes that need one, and for admins those of everybody else that stopped."""
    with parts().database.read() as conn:
        found = mailboxes.list_mailboxes(conn, me().account_id)
    stopped = [each for each in found if each.status is MailboxStatus.RECONNECT]
    moving = [each for each in found if each.moved_to and each not in stopped]
    own = [each for each in stopped + moving if me().owns(each)]
    others = [each for each in stopped if me().is_admin and not me().owns(each)]
    return {
        "stopped": [Stopped(each, causes.explain(each.reason)) for each in own],
        "colleagues_stopped": [Stopped(each, causes.explain(each.reason)) for each in others],
    }


def _webhooks_stopped() -> list[Endpoint]:
    """Endpoints that failed until they were paused: for admins, until they did something."""
    if not me().is_admin:
        return []
    with parts().database.read() as conn:
        return endpoints.stopped(conn, me().account_id)


def _csrf() -> Markup:
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


def _static(name: str) -> str:
    """The address of a static file; it changes with its content, so that it may be kept for long."""
    return url_for("static", filename=name, v=_digest(f"{current_app.static_folder}/{name}"))


@cache
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]

"""Who is signed in, and what they may do."""

import hashlib
from typing import cast

from flask import Response, abort, redirect, request, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user

from crm.store import accounts
from crm.store.accounts import User
from crm.store.mailboxes import Mailbox
from crm.store.timeline import EmailRow
from crm.store.visibility import Viewer
from web.parts import parts

ADMIN_ROLES = frozenset({"admin", "super-admin"})

manager = LoginManager()


class Person(UserMixin):  # type: ignore[misc]
    """The signed-in user. A session ends when its user's password is changed."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.id = user.id
        self.account_id = user.account_id
        self.address = user.address
        self.name = user.name or user.address
        self.is_admin = user.role in ADMIN_ROLES

    @property
    def is_active(self) -> bool:
        return self.user.active

    def get_id(self) -> str:
        return f"{self.account_id}.{self.id}.{_stamp(self.user)}"

    def owns(self, mailbox: Mailbox) -> bool:
        return mailbox.user_id == self.id

    @property
    def viewer(self) -> Viewer:
        """As whom e-mails are shown."""
        return Viewer(self.account_id, self.id, self.user.team_id)

    def decides(self, email: EmailRow) -> bool:
        """Whether they say who may see an e-mail (`crm.store.visibility.restrict`)."""
        return email.owner_id == self.id or (self.is_admin and email.owner_id is None)


def me() -> Person:
    """The signed-in person; only behind `require_sign_in`."""
    return cast(Person, current_user)


def admin_only() -> None:
    if not me().is_admin:
        abort(403)


def enter(user: User) -> None:
    """Begin a session of `user`."""
    login_user(Person(user))


@manager.user_loader  # type: ignore[untyped-decorator]
def _load(session_id: str) -> Person | None:
    account_id, user_id, stamp = session_id.split(".")
    with parts().database.read() as conn:
        user = accounts.user(conn, int(account_id), int(user_id))
    if user is None or not user.active or _stamp(user) != stamp:
        return None
    return Person(user)


@manager.unauthorized_handler  # type: ignore[untyped-decorator]
def _to_sign_in() -> Response:
    if request.headers.get("HX-Request"):  # a page that follows itself up, after its session ended
        return Response(status=401, headers={"HX-Redirect": url_for("sign_in")})
    wanted = _after_sign_in()
    target = url_for("sign_in") if wanted == "/" else url_for("sign_in", next=wanted)
    return cast(Response, redirect(target))


def _after_sign_in() -> str:
    """The page that was asked for; where it leads to a provider or comes from one, the page before
    it. A form may not lead to another site, and a provider's code is no part of an address of ours.
    """
    if request.method != "GET":
        return "/"
    if request.endpoint in {"connect_start", "connect_callback"}:
        return url_for("connect")
    if request.endpoint == "reconnect_start":
        return url_for("reconnect", **(request.view_args or {}))
    return request.full_path.rstrip("?")


def _stamp(user: User) -> str:
    return hashlib.sha256(f"{user.id}:{user.password_hash}".encode()).hexdigest()[:16]

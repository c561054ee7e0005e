"""Sign-in by address and password, by a link made on the server, and sign-out."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from ipaddress import ip_address
from secrets import token_hex
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import flash, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import current_user, logout_user
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from crm.addresses import normalise
from crm.store import accounts
from crm.store.accounts import User
from infra.settings import Settings
from web import errors
from web.parts import parts
from web.people import enter
from web.security import signing_keys

View = Callable[..., Any]

LINK_SECONDS = 600
FAILED = 401
LONGEST_PASSWORD = 1024
PER_ADDRESS = "10 per 10 minutes"  # tries that failed
PER_CALLER = "40 per 10 minutes"


def caller() -> str:
    """Where a request comes from. A proxy beside us, on this machine or in its private network,
    says last for whom it asks; nobody else is believed."""
    near = get_remote_address()
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ip_address(told)) if told and ip_address(near).is_private else near
    except ValueError:
        return near


limiter = Limiter(caller, strategy="moving-window")
passwords = PasswordHasher()


def page() -> str | Response:
    if current_user.is_authenticated:
        return redirect(url_for("home"))
    return render_template("sign_in.html", address="", wrong=False, next=_wanted())


def submit() -> tuple[str, int] | Response:
    """Sign in, or say that address and password do not fit, whichever of the two was wrong."""
    address = request.form.get("address", "")
    user = _checked(address, request.form.get("password", "")[:LONGEST_PASSWORD])
    if user is None:
        again = render_template("sign_in.html", address=address, wrong=True, next=_wanted())
        return again, FAILED
    return _welcome(user)


def leave() -> Response:
    logout_user()
    session.clear()
    flash("You are signed out.")
    return redirect(url_for("sign_in"))


def link(settings: Settings, address: str) -> str:
    """The path of a sign-in link for the user with `address`: good once, for ten minutes."""
    # A number of its own: two links of one second would otherwise be one, and good once together.
    return f"/sign-in/{_signer(settings).dumps([normalise(address), token_hex(4)])}"


def by_link(token: str) -> tuple[str, int] | Response:
    """Sign in whoever holds a link of `link`."""
    here = parts()
    try:
        address, _ = _signer(here.settings).loads(token, max_age=LINK_SECONDS)
    except (BadData, ValueError):
        return _void_link()
    name = f"replylog:sign-in:{hashlib.sha256(token.encode()).hexdigest()}"
    if not here.redis.set(name, 1, nx=True, ex=2 * LINK_SECONDS):
        return _void_link()
    with here.database.read() as conn:
        user = accounts.user_by_address(conn, address)
    return _welcome(user) if user is not None and user.active else _void_link()


def safe_path(wanted: str) -> str:
    """`wanted` when it is a path of this site, else the start page: never another site."""
    local = wanted.startswith("/") and wanted[1:2] not in {"/", "\\"}
    return wanted if local and wanted.isprintable() and "\\" not in wanted else "/"


def throttle(view: View) -> View:
    """Count failed tries by address and by caller, and refuse more than a person needs."""
    by_address = limiter.limit(PER_ADDRESS, key_func=_address_key, deduct_when=_failed)
    by_caller = limiter.limit(PER_CALLER, deduct_when=_failed)
    return by_caller(by_address(view))


def _welcome(user: User) -> Response:
    wanted = _wanted()
    session.clear()
    session.permanent = True
    enter(user)
    return redirect(safe_path(wanted))


def _wanted() -> str:
    return safe_path(request.values.get("next", "/"))


def _checked(address: str, password: str) -> User | None:
    """The user, when the password is right. Costs the same whether the user exists or not."""
    here = parts()
    with here.database.read() as conn:
        user = accounts.user_by_address(conn, address)
    known = user.password_hash if user is not None and user.active else ""
    right = _verify(known or _nobody(), password) and bool(known)
    if user is None or not right:
        return None
    if passwords.check_needs_rehash(known):
        user = _rehash(user, password)
    return user


def _verify(stored: str, password: str) -> bool:
    try:
        return passwords.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return passwords.hash("the password of nobody")


def _rehash(user: User, password: str) -> User:
    """Store the password with today's parameters."""
    fresh = replace(user, password_hash=passwords.hash(password))
    with parts().database.begin() as conn:
        accounts.set_password(conn, user.account_id, user.id, fresh.password_hash)
    return fresh


def _address_key() -> str:
    return f"address:{normalise(request.form.get('address', ''))}"


def _failed(response: Response) -> bool:
    return response.status_code == FAILED


def _void_link() -> errors.Page:
    return errors.page(
        403,
        "This link has been used or is too old",
        "A sign-in link works once and for ten minutes. Make a new one, or sign in with your "
        "password.",
    )


def _signer(settings: Settings) -> URLSafeTimedSerializer:
    keys = signing_keys(settings, "sign-in link")
    return URLSafeTimedSerializer(keys[::-1])  # the last one signs

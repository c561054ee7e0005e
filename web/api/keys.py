"""Who calls the API: the key in the request, and what it is good for."""

from typing import NoReturn, cast

from flask import g, request

from crm.model import Scope
from crm.store import api_keys
from crm.store.api_keys import KeyRow
from crm.store.visibility import Viewer
from web import signin
from web.api.problems import Problem
from web.parts import parts

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


@signin.limiter.shared_limit(signin.PER_CALLER, scope="api keys")
def _refuse() -> NoReturn:
    """Counted by caller, and after more than a program needs answered 429. Right keys are not: they
    cannot be guessed, and one program's old key must not shut out its neighbours."""
    raise Problem(401, "No such key: it was removed, or mistyped.")


def require(read: Scope, write: Scope) -> None:
    """Let the request pass with a key of the needed scope. Raises Problem 401 or 403."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise Problem(
            401, "Send a key: Authorization: Bearer KEY (`replylog apikey add` makes one)."
        )
    here = parts()
    with here.database.read() as conn:
        found = api_keys.by_key(conn, key.strip())
    if found is None:
        _refuse()
    needed = read if request.method in _READS else write
    if needed not in found.scopes:
        raise Problem(403, f"The key lacks the scope “{needed}”.", scope=needed.value)
    if not found.is_noted(here.clock()):
        with here.database.begin() as conn:
            api_keys.note_use(conn, found.account_id, found.id, here.clock())
    g.api_key = found


def caller() -> KeyRow:
    """The key of this request; only behind `require`."""
    return cast(KeyRow, g.api_key)


def viewer() -> Viewer:
    """What the caller may see of logged e-mail: what everyone may, or all of it."""
    key = caller()
    return Viewer(key.account_id, sees_all=Scope.RESTRICTED in key.scopes)

"""Never Log lists: what is on them and what it stops, adding many at once, taking off."""

from dataclasses import dataclass, field

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.never_log_input import Read, Wrong, read_entries
from crm.store import again, never_log, never_log_effects, previews
from crm.store.never_log import Added, Row
from crm.store.never_log_effects import Effect
from web.parts import parts
from web.people import admin_only, me

SHOWN = 200  # entries of a list on one page
WRONG = 422
NOTHING = Wrong("", "Type an address or a domain. Examples: bob@example.com, example.com.")


@dataclass(frozen=True, slots=True)
class Shown:
    """A list as the page shows it; `refused` counts what lists refused in the last 30 days."""

    whose: str
    title: str
    about: str
    may_change: bool
    rows: list[Row]
    number: int
    refused: int


@dataclass(frozen=True, slots=True)
class Pasted:
    """What somebody typed for a list, and what became of it."""

    whose: str
    read: Read
    added: Added = field(default_factory=Added)
    effect: Effect | None = None

    @property
    def left(self) -> str:
        """What stays in the box: what was not understood, or all that is not added yet."""
        entries = () if self.effect is None else self.read.entries
        return "\n".join([*entries, *(each.text for each in self.read.wrong if each.text)])


def show() -> str:
    return _page()


def add(whose: str) -> Response | str | tuple[str, int]:
    """Add what was pasted, or with the button "preview" show what it would stop."""
    read = read_entries(request.form.get("entries", request.form.get("entry", "")))
    if request.form.get("do") == "preview":
        return _preview(whose, read)
    user_id = _list_of(whose)
    if not read.entries:
        return _page(Pasted(whose, read if read.wrong else Read(wrong=(NOTHING,)))), WRONG
    try:
        with parts().database.begin() as conn:
            added = never_log.add(conn, me().account_id, user_id, read.entries, parts().clock())
    except never_log.ListFull:
        full = Wrong("", f"A list has room for {never_log.MOST} entries. Domains take less room.")
        return _page(Pasted(whose, Read(read.entries, (full, *read.wrong)), effect=Effect())), WRONG
    if read.wrong or added.known:
        return _page(Pasted(whose, read, added))
    return _back(f"Mail from {_named(added)} is not logged from now on.")


def entry(whose: str, entry_id: int) -> str:
    """What one entry stops. Everybody sees the company's."""
    row = _row(whose, entry_id)
    found = _effect(row.user_id, (row.entry,))
    if request.headers.get("HX-Request"):
        return render_template("settings/effect.html", effect=found, there=True)
    return render_template("settings/never_log_entry.html", row=row, whose=whose, effect=found)


def remove(whose: str, entry_id: int) -> Response:
    user_id = _list_of(whose)
    with parts().database.begin() as conn:
        row = never_log.row(conn, me().account_id, user_id, entry_id)
        if row is None or not never_log.remove(conn, me().account_id, user_id, entry_id):
            abort(404)
        refused = previews.never_log(conn, me().account_id, user_id, parts().clock())
    more = " What it refused can be looked at again, below its list." if refused else ""
    return _back(f"{row.entry} was removed.{more}")


def look_again(whose: str) -> Response:
    """Judge again what the lists refused in the last 30 days."""
    user_id = _list_of(whose)
    with parts().database.begin() as conn:
        rung = again.after_never_log(conn, me().account_id, user_id, parts().clock())
    parts().ring(*rung)
    return _back("What Never Log lists refused is being looked at again.")


def _preview(whose: str, read: Read) -> str:
    if whose not in {"own", "account"}:
        abort(404)
    found = _effect(me().id if whose == "own" else None, read.entries)
    pasted = Pasted(
        whose, read if read.entries or read.wrong else Read(wrong=(NOTHING,)), effect=found
    )
    if request.headers.get("HX-Request"):
        return render_template("settings/pasted.html", pasted=pasted)
    return _page(pasted)


def _effect(user_id: int | None, entries: tuple[str, ...]) -> Effect:
    with parts().database.read() as conn:
        return never_log_effects.effect(conn, me().viewer, user_id, entries, parts().clock())


def _page(pasted: Pasted | None = None) -> str:
    account, now = me().account_id, parts().clock()
    wanted = request.args.get("q", "").strip().lower()[:200]
    with parts().database.read() as conn:
        rows = never_log.rows(conn, account, me().id)
        refused = [previews.never_log(conn, account, each, now) for each in (me().id, None)]
    own = [each for each in rows if each.user_id is not None]
    shared = [each for each in rows if each.user_id is None]
    admin = me().is_admin
    found = (
        [each for each in own if wanted in each.entry],
        [each for each in shared if wanted in each.entry],
    )
    lists = [
        Shown("own", "Your Never Log list", "Mail from these is never logged out of your mailboxes.",
              True, found[0][:SHOWN], len(own), refused[0]),
        Shown("account", "The company's Never Log list", "Mail from these is never logged for anybody.",
              admin, found[1][:SHOWN], len(shared), refused[1] if admin else 0),
    ]  # fmt: skip
    return render_template(
        "settings/never_log.html", lists=lists, pasted=pasted, wanted=wanted, most=SHOWN
    )


def _row(whose: str, entry_id: int) -> Row:
    user_id = {"own": me().id, "account": None}.get(whose, 0)
    with parts().database.read() as conn:
        row = never_log.row(conn, me().account_id, me().id, entry_id)
    if row is None or row.user_id != user_id:
        abort(404)
    return row


def _list_of(whose: str) -> int | None:
    """The user whose list is meant; None for the company's, which admins alone change."""
    if whose == "own":
        return me().id
    if whose != "account":
        abort(404)
    admin_only()
    return None


def _named(added: Added) -> str:
    names = [each.entry for each in added.new]
    return names[0] if len(names) == 1 else f"these {len(names)} entries"


def _back(text: str) -> Response:
    flash(text)
    return redirect(url_for("settings_never_log"))

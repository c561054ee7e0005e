"""Settings out of a form, checked and stored, and what a change sets in motion."""

from collections.abc import Collection, Mapping
from contextlib import suppress

from flask import request

from crm.model import MailboxStatus
from crm.settings_input import OWN_DOMAINS, Change, Value, read_change
from crm.store import again, mailboxes
from crm.store import settings as account_settings
from crm.store.settings import PLAIN, SWITCHES
from web.parts import parts
from web.people import me
from workers.queue import QueueDown

_DEFAULTS: dict[str, object] = {**SWITCHES, **PLAIN, OWN_DOMAINS: ()}


def typed(names: Collection[str]) -> dict[str, object]:
    """The fields of a form as `crm.settings_input` takes them. A box that is not ticked is not
    sent, a list stands one to a line."""
    return {name: _typed(request.form.get(name, ""), _DEFAULTS[name]) for name in names}


def _typed(text: str, default: object) -> object:
    if isinstance(default, bool):
        return text == "on"
    if isinstance(default, int):
        return int(text) if text.isascii() and text.strip().isdecimal() and len(text) < 9 else text
    return text.splitlines() if isinstance(default, tuple) else text


def read(given: Mapping[str, object]) -> Change:
    """Check what was given against what the account has."""
    with parts().database.read() as conn:
        current = account_settings.settings_of(conn, me().account_id)
    return read_change(given, current)


def store(account_id: int, values: Mapping[str, Value], look_again_for: str = "") -> None:
    """Store settings that were checked. With `look_again_for`, the name of a switch, what it would
    have let in within the last 30 days is judged again."""
    now = parts().clock()
    with parts().database.begin() as conn:
        account_settings.change(conn, account_id, values)
        rung = again.after_switch(conn, account_id, look_again_for, now) if look_again_for else ()
        found = mailboxes.list_mailboxes(conn, account_id)
    parts().ring(*rung)
    connected = [each for each in found if each.status is MailboxStatus.CONNECTED]
    if "log_label" in values:  # each makes the label by its new name
        parts().ring(*(each.id for each in connected))
    if "followed_folders" in values:
        with suppress(QueueDown):  # folders are read again every ten minutes all the same
            for mailbox in connected:
                parts().queue.rewatch(mailbox.id)

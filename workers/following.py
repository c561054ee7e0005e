"""Which folders of a mailbox are followed: read from its rules again and again, and told when it
changes. The cursor and what is stored are made to agree with them in one transaction."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from crm.history import What
from crm.model import Folder
from crm.store import history, mailboxes, runs, settings, watching
from crm.store.mailboxes import Mailbox
from providers.client import CursorExpired, MailClient
from workers.queue import Ask, QueueDown
from workers.runtime import Runtime

# A rule may be two readings old, and the provider's clock behind ours.
UNFOLLOWED = timedelta(minutes=20)
STRAYED_EVERY = timedelta(minutes=10)
OWN = {"rule", "hand"}  # reasons that come and go; the other folders are always followed


def follow(runtime: Runtime, mailbox: Mailbox, token: str, client: MailClient) -> Sequence[Folder]:
    """Make cursor and stored folders agree with the provider's rules. Not only where the rules have
    changed: a mailbox that is connected again has new folders and its old cursor."""
    folders = followed(runtime, mailbox, client)
    with runtime.database.read() as conn:
        stored = mailboxes.folders(conn, mailbox.account_id, mailbox.id)
        current = mailboxes.by_id(conn, mailbox.id)
    if current is None:
        return folders
    since = (mailbox.settled_at or mailbox.created_at) - UNFOLLOWED
    moved = current.cursor
    with suppress(CursorExpired):  # the run then lists what came, and gets a cursor for all folders
        moved = client.follow(folders, moved, since)
    changed = moved != current.cursor or set(folders) != set(stored)
    hidden = tuple(dict.fromkeys(client.hidden_rules()))
    untold = [rule for rule in hidden if rule not in mailbox.hidden_rules]
    told = [*_changes(stored, folders, client), *((What.RULE_HIDDEN, {"rule": r}) for r in untold)]
    if not changed and not told and hidden == mailbox.hidden_rules:
        return folders
    now = runtime.clock()
    with runtime.database.begin() as conn:
        if changed:
            runs.move_cursor(conn, mailbox, token, moved)
            mailboxes.set_folders(conn, mailbox.account_id, mailbox.id, folders)
        watching.set_hidden_rules(conn, mailbox, hidden)
        for what, facts in told:
            history.note(conn, mailbox.account_id, mailbox.id, what, now, **facts)
    return folders


def followed(runtime: Runtime, mailbox: Mailbox, client: MailClient) -> Sequence[Folder]:
    """The folders that are followed now, those of the account's setting among them."""
    with runtime.database.read() as conn:
        by_hand = settings.settings_of(conn, mailbox.account_id).followed_folders
    return client.folders(by_hand)


def stray(runtime: Runtime, mailbox: Mailbox, client: MailClient, push_was_empty: bool) -> None:
    """Have the rules read at once where one that we do not know yet may have moved mail away. At
    most once in `STRAYED_EVERY`."""
    if not client.lost_sight(push_was_empty):
        return
    with suppress(QueueDown):
        if runtime.queue.strayed(mailbox.id, STRAYED_EVERY.total_seconds()):
            runtime.queue.rewatch(mailbox.id, Ask.STRANGER)


def _changes(
    stored: Sequence[Folder], folders: Sequence[Folder], client: MailClient
) -> list[tuple[What, dict[str, str]]]:
    """What to tell of a change of folders; nothing of the first ones."""
    if not stored:
        return []
    old = {each.id: each for each in stored}
    new = {each.id: each for each in folders}
    told: list[tuple[What, dict[str, str]]] = []
    for each in stored:
        if each.id not in new and each.reason in OWN:
            why = client.dropped(each).value
            facts = {"folder": each.name, "why": why, "rule": each.rule_name}
            told.append((What.FOLDER_DROPPED, facts))
    for each in folders:
        known = old.get(each.id)
        if each.reason not in OWN:
            continue
        if known is None:
            facts = {"folder": each.name, "reason": each.reason, "rule": each.rule_name}
            told.append((What.FOLDER_FOLLOWED, facts))
        elif known.name != each.name:
            told.append((What.FOLDER_RENAMED, {"folder": each.name, "before": known.name}))
    return told

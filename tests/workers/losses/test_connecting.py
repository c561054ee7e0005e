"""Ways in which a reply could be lost, each played once: consents, folders, watches."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import text

from crm.model import Folder, MailboxStatus
from crm.store import mailboxes
from providers.client import Cursor, Page, Reconnect, Retry
from providers.memory import MemoryClient
from tests.workers.conftest import Office
from tests.workers.losses.play import MARIA, ROOT, before, connect, reply, use

INBOX, CLIENTS = Folder("inbox", "Inbox", "inbox"), Folder("clients", "Clients", "rule", "Maria")


# ---- consents


def test_a_run_with_the_old_consent_cannot_stop_a_mailbox_that_is_connected_again(
    office: Office, ana: int
) -> None:
    office.boxes[ana].refuse(Reconnect("revoked"), method="changes")
    before(office, ana, "changes", lambda: connect(office))
    office.sync(ana)
    row = office.row(ana)
    assert (row.status, row.cause) == (MailboxStatus.CONNECTED, "")
    ref = reply(office, ana, "r@x")
    office.settle(steps=3)
    assert office.journal(ana)[ref] == ("logged", "reply")


def test_a_run_at_the_old_provider_leaves_the_cursor_of_the_new_one_alone(
    office: Office, ana: int
) -> None:
    reply(office, ana, "r@x")
    before(office, ana, "message", lambda: connect(office, provider="gmail", cursor="new"))
    office.sync(ana)
    assert office.row(ana).cursor == "new"


def test_another_persons_account_at_the_same_address_does_not_get_the_old_cursor(
    office: Office, ana: int
) -> None:
    connect(office, subject="google-1")
    kept = office.row(ana).cursor
    connect(office, subject="google-1", cursor="later")
    assert office.row(ana).cursor == kept
    connect(office, subject="google-2", cursor="of the new account")
    assert office.row(ana).cursor == "of the new account"


def test_a_reply_in_the_second_of_connecting_is_not_too_early(office: Office) -> None:
    office.contact(MARIA)
    office.clock = office.clock.replace(microsecond=700_000)
    ana = office.mailbox("ana@acme.test")
    office.send(ana, MARIA, "Offer 12", ROOT)
    office.clock = office.clock.replace(microsecond=0)  # Graph tells whole seconds
    ref = reply(office, ana, "r@x")
    office.clock += timedelta(seconds=1)
    office.settle(steps=3)
    assert office.journal(ana)[ref] == ("logged", "reply")


# ---- followed folders and watches


class FoldersClient(MemoryClient):
    """Lists what carries the name of a folder that its cursor covers: `["inbox"]@7`."""

    def changes(self, cursor: Cursor) -> Iterator[Page]:
        covered, _, at = cursor.rpartition("@")
        for page in super().changes(at or "0"):
            shown = [one for one in page.items if self._in(one.ref.id) in json.loads(covered)]
            yield Page(tuple(shown), f"{covered}@{page.cursor}")

    def follow(self, folders: Sequence[Folder], cursor: Cursor, since: datetime) -> Cursor:
        covered, _, at = cursor.rpartition("@")
        wanted = [folder.id for folder in folders]
        new = set(wanted) - set(json.loads(covered))
        return f"{json.dumps(wanted)}@{0 if new else at}"

    def _in(self, ref: str) -> str:
        return next(iter(self.mailbox.messages[ref].labels), "inbox")


def test_a_folder_that_became_followed_while_the_mailbox_was_away_is_listed(
    office: Office, ana: int
) -> None:
    use(office, FoldersClient)
    box = office.boxes[ana]
    box.followed = (INBOX,)
    at = office.row(ana).cursor
    with office.database.begin() as conn:
        mailboxes.set_folders(conn, office.account_id, ana, [INBOX])
        conn.execute(
            text("UPDATE mailbox SET cursor = :cursor WHERE account_id = 1"),
            {"cursor": f'["inbox"]@{at}'},
        )
        mailboxes.need_reconnect(conn, office.account_id, ana, "revoked", office.clock)
    box.followed = (INBOX, CLIENTS)
    connect(office, folders=(INBOX, CLIENTS), cursor='["inbox", "clients"]@99')
    ref = reply(office, ana, "r@x")
    box.label(ref, "clients")
    office.settle(steps=5)
    assert office.journal(ana)[ref] == ("logged", "reply")


def test_rules_that_cannot_be_read_do_not_stop_the_reading(office: Office, ana: int) -> None:
    office.boxes[ana].refuse(Retry(None), method="folders", times=99)
    office.clock += timedelta(days=2)
    settled = office.row(ana).settled_at
    ref = reply(office, ana, "r@x")
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "reply")
    assert office.row(ana).settled_at == settled, "a folder may have become followed since"


def test_a_watch_that_fails_in_an_unknown_way_does_not_stop_the_reading(
    office: Office, ana: int
) -> None:
    before(office, ana, "watch", lambda: {}["expiration"])
    office.clock += timedelta(days=2)
    ref = reply(office, ana, "r@x")
    office.sync(ana)
    assert office.journal(ana)[ref] == ("logged", "reply")


def test_the_wish_for_a_new_watch_outlives_a_provider_that_does_not_answer(
    office: Office, ana: int
) -> None:
    office.boxes[ana].refuse(Retry(None), method="watch")
    made = office.boxes[ana].calls["watch"]
    office.queue.rewatch(ana)
    office.sync(ana)
    office.clock += timedelta(minutes=6)
    office.settle(steps=3)
    assert office.boxes[ana].calls["watch"] == made + 2


def test_connecting_again_makes_the_watch_again_for_the_provider_has_ended_it(
    office: Office, ana: int
) -> None:
    made = office.boxes[ana].calls["watch"]
    with office.database.begin() as conn:
        mailboxes.need_reconnect(conn, office.account_id, ana, "revoked", office.clock)
    office.clock += timedelta(minutes=5)
    connect(office)
    office.settle(steps=3)
    assert office.boxes[ana].calls["watch"] == made + 1

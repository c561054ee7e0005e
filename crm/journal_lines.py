"""Rows of the journal as people read them, with what is known around them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from crm.addresses import listed
from crm.journal_model import About, Listed, Words
from crm.journal_words import words
from crm.model import NeverLog, VerdictKind
from crm.store import journal_facts, never_log, waiting
from crm.store import settings as account_settings
from crm.store.journal import Entry
from crm.store.journal_facts import Answered
from crm.store.mailbox_rows import Mailbox
from crm.store.visibility import Viewer


@dataclass(frozen=True, slots=True)
class Line:
    """A journal row in words, and what they were made of."""

    about: About
    words: Words

    @property
    def entry(self) -> Entry:
        return self.about.entry

    @property
    def again(self) -> bool:
        """Whether it is being looked at again right now."""
        return self.about.again


def lines(
    conn: Connection,
    viewer: Viewer,
    entries: Sequence[Entry],
    mailboxes: Sequence[Mailbox],
    is_admin: bool = False,
) -> list[Line]:
    """The lines of rows of these mailboxes, for whoever reads them."""
    account_id = viewer.account_id
    box = {each.id: each for each in mailboxes}
    settings = account_settings.settings_of(conn, account_id)
    refused = [each for each in entries if each.verdict == VerdictKind.REFUSED]
    stands = journal_facts.stands(
        conn, viewer, [each.email_id for each in entries if each.email_id]
    )
    threads = journal_facts.answered(conn, viewer, [each.id for each in refused])
    people = journal_facts.known(conn, account_id, {each.sender for each in refused})
    waits = waiting.waiting(conn, account_id, [each.id for each in entries])
    blocked = _listed(conn, account_id, refused, box, threads)
    found = (
        About(
            entry=each,
            mailbox=box[each.mailbox_id],
            settings=settings,
            is_admin=is_admin,
            sender=people.get(each.sender),
            thread=threads.get(each.id),
            stands=stands.get(each.email_id or 0),
            waiting=waits.get(each.id),
            listed=blocked.get(each.id, ()),
        )
        for each in entries
    )
    return [Line(about, words(about)) for about in found]


def _listed(
    conn: Connection,
    account_id: int,
    entries: Sequence[Entry],
    box: dict[int, Mailbox],
    threads: dict[int, Answered],
) -> dict[int, tuple[Listed, ...]]:
    """The Never Log entries that keep rows out: those with the sender, else those with a contact of
    the thread."""
    entries = [each for each in entries if each.rule == "never-log"]
    found: dict[int, tuple[Listed, ...]] = {}
    for user_id in {box[each.mailbox_id].user_id for each in entries}:
        rows = never_log.rows(conn, account_id, user_id)
        on_list = [(Listed(row.id, row.entry, row.user_id is not None), row.entry) for row in rows]
        theirs = [each for each in entries if box[each.mailbox_id].user_id == user_id]
        people = {
            one.id for each in theirs if each.id in threads for one in threads[each.id].contacts
        }
        addresses = journal_facts.addresses_of(conn, account_id, people)
        for each in theirs:
            thread = threads.get(each.id)
            others = [
                a for one in (thread.contacts if thread else ()) for a in addresses.get(one.id, ())
            ]
            found[each.id] = _with(on_list, [each.sender]) or _with(on_list, others)
    return found


def _with(on_list: list[tuple[Listed, str]], addresses: list[str]) -> tuple[Listed, ...]:
    return tuple(
        one
        for one, entry in on_list
        if any(listed(address, NeverLog(frozenset({entry}))) for address in addresses)
    )

"""Which thread a logged e-mail belongs to, and whether it belongs there, in whatever order e-mails
were logged.

Its thread is that of the nearest logged e-mail that it refers to, or its own. An e-mail that is logged
late can be nearer to others than what they hang on, or the first they have: they move to its thread,
and all that hangs on them with them. Where the rules would not have let one of them into that
thread, it is taken off the timeline (`crm.store.withdrawing`): had the late one come first, it would
have been refused.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, select, update

from crm.model import Root
from crm.store import copies, owners, sql, withdrawing
from crm.store.accounts import Digests
from crm.store.backfill import stand
from crm.store.context import FIRST, roots_of_threads
from crm.store.rejudging import Judge, Rules
from crm.subjects import base_subject
from crm.tables import Email, EmailReference, Sighting, Thread

_REFERRING = (
    select(Email.thread_id)
    .join(EmailReference, EmailReference.email_id == Email.id)
    .where(sql.held(Email), sql.held(EmailReference), sql.among(EmailReference.message_id))
    .distinct()
)
_THREADS_OF = select(Email.thread_id).where(sql.held(Email), sql.among(Email.id)).distinct()
_MEMBERS = (
    select(
        Email.id,
        Email.thread_id,
        Email.identity,
        Email.message_id,
        Email.subject,
        (Email.identity == Thread.root_identity).label("is_root"),
    )
    .join(Thread, Thread.id == Email.thread_id)
    .where(sql.held(Email), sql.held(Thread), sql.among(Email.thread_id))
    .order_by(Email.sent_at, Email.identity)
)
_BEARERS = (
    select(Email.message_id, Email.id, Email.thread_id)
    .where(sql.held(Email), sql.among(Email.message_id))
    .order_by(*FIRST)
)


@dataclass(frozen=True, slots=True)
class Changed:
    """What a commit changed: Message-IDs that more or fewer e-mails have, e-mails that were judged by
    another thread than they came into, threads that have another owner."""

    message_ids: Collection[str] = ()
    email_ids: Collection[int] = ()
    thread_ids: Collection[int] = ()


def mend(
    conn: Connection, account_id: int, changed: Changed, keyed: Digests, now: datetime
) -> set[str]:
    """Bring threads into the order that `changed` asks for. Gives the Message-IDs of all e-mails
    that are in another thread now, or whose thread is another's, or that are none any more: what was
    refused and refers to them may have another verdict. The caller is `alone`."""
    concerned = _concerned(conn, account_id, changed)
    if not concerned:
        return set()
    mending = _Mending(conn, account_id, changed, _members(conn, account_id, concerned))
    mending.go()
    _store(conn, account_id, mending)
    withdrawing.withdraw(conn, account_id, mending.refused, keyed, now)
    remove_empty(conn, account_id, concerned)
    moved = set(mending.moved) - mending.refused.keys()
    owners.give(conn, account_id, {*changed.thread_ids, *mending.moved.values()})
    stand(conn, account_id, moved)
    given = copies.refresh(conn, account_id, mending.rules.keys() - mending.refused.keys())
    touched = {*mending.moved, *mending.refused, *mending.of_threads(changed.thread_ids)}
    names = {mending.members[each].message_id for each in touched}
    if given:
        names |= mend(conn, account_id, Changed(thread_ids=given), keyed, now)
    return names


def parents_first(edges: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """Each of `edges` after those that it leads to. Hostile mail may refer in circles: what leads
    back to where a walk began does not count."""
    begun: set[int] = set()
    for start in edges:
        path = [(start, iter(edges[start]))] if start not in begun else []
        begun.add(start)
        while path:
            here, ways = path[-1]
            step = next((each for each in ways if each not in begun), None)
            if step is None:
                yield here
                path.pop()
            else:
                begun.add(step)
                path.append((step, iter(edges[step])))


@dataclass(slots=True)
class _Mending:
    """Goes through the e-mails of some threads, those that others refer to first."""

    conn: Connection
    account_id: int
    changed: Changed
    members: dict[int, Row[Any]]
    refused: dict[int, Rules] = field(default_factory=dict)
    rules: dict[int, Rules] = field(default_factory=dict)  # where they are others than before
    moved: dict[int, int] = field(default_factory=dict)  # the new thread, by e-mail
    _threads: dict[int, int] = field(default_factory=dict)  # of each e-mail as it is in the end
    _roots: dict[int, Root] = field(default_factory=dict)

    def go(self) -> None:
        judge = Judge(self.conn, self.account_id, self.members)
        bearers = self._bearers({each for of in judge.answers.values() for each in of})
        nearest = {
            member: [
                (each, thread)
                for answer in judge.answers.get(member, ())
                for each, thread in bearers.get(answer, ())
                if each != member
            ]
            for member in self.members
        }
        inside = {
            member: [each for each, _ in of if each in self.members]
            for member, of in nearest.items()
        }
        headed = {each.thread_id for each in self.members.values() if each.is_root}
        for member in parents_first(inside):
            at = (
                self._threads.get(each) if each in self.members else thread
                for each, thread in nearest[member]
            )
            parent = next((each for each in at if each is not None), None)
            own = self.members[member]
            beheaded = parent is None and own.thread_id not in headed  # its root was removed
            self._place(judge, own, own.thread_id if beheaded else parent)

    def of_threads(self, thread_ids: Collection[int]) -> Iterator[int]:
        """The members that stay in these threads."""
        return (id for id, thread in self._threads.items() if thread in thread_ids)

    def _place(self, judge: Judge, own: Row[Any], parent: int | None) -> None:
        """Put an e-mail into the thread `parent` (None: it begins one), unless the rules refuse it
        there."""
        stays = own.is_root if parent is None else parent == own.thread_id and not own.is_root
        other_owner = parent in self.changed.thread_ids
        if other_owner or not stays or own.id in self.changed.email_ids:
            rules = judge.rules(own.id, None if parent is None else self._root(parent))
            if rules and not any(carries for _, carries in rules.values()):
                self.refused[own.id] = rules
                return
            if rules != judge.were(own.id):
                self.rules[own.id] = rules
        to = own.thread_id if stays else parent
        self._threads[own.id] = to if to is not None else self._begin(own)
        if not stays:
            self.moved[own.id] = self._threads[own.id]

    def _begin(self, own: Row[Any]) -> int:
        """A thread for an e-mail that has lost what it hung on."""
        best = copies.carried_by(self.conn, self.account_id, [own.id]).get(own.id)
        row = {
            "account_id": self.account_id,
            "root_identity": own.identity,
            "subject": own.subject,
            "base_subject": base_subject(own.subject),
            "owner_id": best.owner_id if best else None,
            "team": best is not None and best.mailbox_kind == "team",
        }
        made: int = self.conn.execute(insert(Thread).values(row).returning(Thread.id)).scalar_one()
        its = (Email.account_id == self.account_id) & (Email.id == own.id)
        self.conn.execute(update(Email).where(its).values(thread_id=made))
        return made

    def _root(self, thread_id: int) -> Root:
        if thread_id not in self._roots:
            self._roots |= roots_of_threads(self.conn, self.account_id, [thread_id])
        return self._roots[thread_id]

    def _bearers(self, message_ids: Collection[str]) -> dict[str, list[tuple[int, int]]]:
        """(e-mail, thread) of all that have these Message-IDs, the first before its imitations."""
        found: dict[str, list[tuple[int, int]]] = {}
        for some in sql.chunks(sorted(message_ids)):
            for row in self.conn.execute(_BEARERS, {"account": self.account_id, "some": some}):
                found.setdefault(row.message_id, []).append((row.id, row.thread_id))
        return found


def _concerned(conn: Connection, account_id: int, changed: Changed) -> set[int]:
    """The threads whose e-mails may belong elsewhere, or nowhere."""
    found = set(changed.thread_ids)
    for some in sql.chunks(sorted(each for each in changed.message_ids if each)):
        found |= set(conn.scalars(_REFERRING, {"account": account_id, "some": some}))
    for ids in sql.chunks(sorted(changed.email_ids)):
        found |= set(conn.scalars(_THREADS_OF, {"account": account_id, "some": ids}))
    return found


def _members(conn: Connection, account_id: int, thread_ids: Collection[int]) -> dict[int, Row[Any]]:
    found: dict[int, Row[Any]] = {}
    for some in sql.chunks(sorted(thread_ids)):
        rows = conn.execute(_MEMBERS, {"account": account_id, "some": some})
        found |= {row.id: row for row in rows}
    return found


def _store(conn: Connection, account_id: int, mending: _Mending) -> None:
    for email_id, thread_id in mending.moved.items():
        its = (Email.account_id == account_id) & (Email.id == email_id)
        conn.execute(update(Email).where(its).values(thread_id=thread_id))
    for rules in mending.rules.values():
        for copy_id, (rule, carries) in rules.items():
            its = (Sighting.account_id == account_id) & (Sighting.id == copy_id)
            conn.execute(update(Sighting).where(its).values(rule=rule, carries=carries))


def remove_empty(conn: Connection, account_id: int, thread_ids: Collection[int]) -> None:
    """Remove those of the threads to which no e-mail belongs."""
    inhabited = exists().where(Email.account_id == account_id, Email.thread_id == Thread.id)
    for some in sql.chunks(sorted(thread_ids)):
        ended = (Thread.account_id == account_id) & Thread.id.in_(some) & ~inhabited
        conn.execute(delete(Thread).where(ended))

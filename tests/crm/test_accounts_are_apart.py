"""No account sees or changes another's rows: by the tables, by the guard, by every function."""

import contextlib
import inspect
import re
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest
from sqlalchemy import delete, event, exists, func, or_, select, text, update
from sqlalchemy.orm import aliased

from crm import guard
from crm.history import What
from crm.model import AccountSettings, FileState, Folder, Ref, Visibility, WatchState
from crm.spending import Spent
from crm.store import (
    accounts,
    audits,
    companies,
    contacts,
    deals,
    deliveries,
    endpoints,
    files,
    gaps,
    journal,
    mailboxes,
    never_log,
    outbox,
    owed,
    teams,
)
from crm.store import settings as account_settings
from crm.store.accounts import Digests
from crm.store.outcomes import Later, Run
from crm.store.search import Asked
from crm.store.threads import Changed
from crm.store.timeline import On
from crm.store.visibility import Viewer
from crm.tables import Account, Base, Email, JournalRow, Lease, Thread
from tests.crm.store_world import TTL, World, a_token

MODULES = ("accounts", "again", "answers", "audits", "backfill", "companies", "connecting", "contacts", "context", "copies", "deals", "deaths", "deliveries", "endpoints", "enrolments", "joining", "merging", "owners", "threads", "withdrawing", "files", "file_copies", "gaps", "history", "journal",
           "journal_facts", "limits", "mailboxes", "moving", "never_log", "never_log_effects", "outbox", "owed", "people", "previews", "runs", "search", "senders", "settle",
           "teams", "timeline", "visibility", "waiting", "watching")  # fmt: skip
DIGEST = "d" * 64
MARK = "secretb"  # in every text of the account that must stay unseen


def test_every_row_belongs_to_one_account():
    for table in Base.metadata.tables.values():
        if table.name in {"account", "lease"}:
            continue
        column = table.c.account_id
        assert not column.nullable, table.name
        assert [key.column for key in column.foreign_keys] == [Account.__table__.c.id], table.name


OTHER = aliased(Email)
OF_ALL = select(JournalRow.email_id).subquery()


REFUSED = [
    select(Email.id),
    select(Email),
    select(func.count()).select_from(Email),
    select(Email.id, Thread.id).join(Thread).where(Email.account_id == 1),
    select(OTHER.id).join(Email, Email.id == OTHER.id).where(Email.account_id == 1),
    select(Email.id).where(or_(Email.account_id == 1, Email.id == 2)),
    select(Email.id).where(Email.account_id != 1),
    select(Email.id).where(Email.account_id == 1, Email.id.in_(select(JournalRow.email_id))),
    select(Email.id).where(Email.account_id == 1, exists().where(JournalRow.id == Email.id)),
    select(OF_ALL.c.email_id),
    update(Email).values(rule=""),
    delete(Email).where(Email.id == 1),
    text("SELECT * FROM email"),
]


def test_the_guard_refuses_what_is_not_held_to_one_account(database):
    for statement in REFUSED:
        with database.begin() as conn, pytest.raises(guard.NotHeldToOneAccount):
            conn.execute(statement)


LET_THROUGH = [
    select(Email.id).where(Email.account_id == 1),
    select(Lease.id),
    select(Account.id),
    select(Email.id).execution_options(all_accounts="a test"),
    select(Email.id, Thread.id).join(Thread).where(Email.account_id == 1, Thread.account_id == 1),
    update(Email).where(Email.account_id == 1).values(rule=""),
    text("SELECT 1"),
]


def test_the_guard_lets_through_what_is_held_to_one_account(database):
    for statement in LET_THROUGH:
        with database.begin() as conn:
            conn.execute(statement)


def functions():
    """Every public function of the store that works for one account."""
    found = {}
    for name in MODULES:
        module = import_module(f"crm.store.{name}")
        for label, each in inspect.getmembers(module, inspect.isfunction):
            names = inspect.signature(each).parameters
            public = each.__module__ == module.__name__ and not label.startswith("_")
            of_one = {"account_id", "viewer", "mailbox", "run", "due_file"} & names.keys()
            if public and of_one and "conn" in names:
                found[f"{name}.{label}"] = each
    return found


@pytest.fixture
def victim(database, secrets, now):
    """The account that must stay unseen and unchanged, with a row of about every kind."""
    world = World(database, secrets, now)
    mailbox = world.mailbox(f"ana@{MARK}.test")
    with database.begin() as conn:
        company = companies.ensure(conn, world.account, MARK, f"{MARK}.test")
        accounts.add_domain(conn, world.account, f"{MARK}.test")
        account_settings.set_setting(conn, world.account, "log_label", MARK)
        never_log.add(conn, world.account, None, [f"{MARK}.example"], now)
        mailboxes.set_folders(conn, world.account, mailbox.id, [Folder(MARK, MARK, "inbox")])
        watch = WatchState(MARK, MARK, now, MARK)
        mailboxes.set_watches(conn, mailbox, [watch], now, now)
        audits.begin(conn, world.account, mailbox.id, 3, now)
        gaps.begin(
            conn, world.account, mailbox.id, now - timedelta(days=2), now - timedelta(days=1)
        )
    zoe = world.contact(f"zoe@{MARK}.test", name=MARK, company=company)
    with database.begin() as conn:
        deals.add(conn, world.account, MARK, [zoe], now)
        teams.add_team(conn, world.account, MARK)
        endpoint = endpoints.add(conn, world.account, MARK, [MARK], secrets, now)
        outbox.tell(conn, world.account, MARK, MARK, {MARK: 1}, now)
        told = outbox.since(conn, world.account, [MARK], now, 1)
        deliveries.add(conn, world.account, deliveries.WEBHOOK, [(told[0], endpoint.id)], now)
    world.settle(
        mailbox,
        world.sent(1, [f"zoe@{MARK}.test"], subject=MARK),
        world.refused(2, "unknown-sender", f"eve@{MARK}.test"),
        Later(Ref("p3", MARK), "gone", "Gone", None),
        Later(Ref("p4", MARK), "gone", "Gone", now),
    )
    with database.begin() as conn:
        (file,) = files.due(conn, mailbox, world.now, 5)
        files.keep(conn, file, DIGEST, 7)
    world.settle(mailbox, world.sent(5, [f"zoe@{MARK}.test"], subject=MARK))
    return world


def rows_of(world, conn):
    """All rows of an account, by table."""
    return {
        table.name: sorted(
            map(repr, conn.execute(select(table).where(table.c.account_id == world.account)))
        )
        for table in Base.metadata.sorted_tables
        if "account_id" in table.c
    }


def of_audits(victim):
    """What functions of audits are called with besides."""
    now = victim.now
    with victim.database.read() as conn:
        (theirs,) = mailboxes.list_mailboxes(conn, victim.account)
        audit = audits.open_one(conn, victim.account, theirs.id)
    return {
        "audit": audit, "audit_id": audit.id, "days": 3, "who": audits.PERSON, "looked": 1,
        "lying": {"p1": None}, "provider_ids": ["p1"], "tally": audits.Tally(["x"], 1, 1),
        "reached": now, "due_at": now, "decided": now, "host": "graph",
    }  # fmt: skip


def of_the_outbox(victim):
    """The part of `arguments` that the outbox takes."""
    with victim.database.read() as conn:
        (endpoint,) = endpoints.rows(conn, victim.account)
        told = outbox.since(conn, victim.account, [MARK], victim.now, 1)
        (waiting,) = deliveries.listing(conn, victim.account, endpoint.id, 1).items
    return {
        "topic": "t", "key": "mine", "payload": {}, "payloads": {"mine": {}}, "values": {"name": "mine"},
        "endpoint_id": endpoint.id, "endpoint_ids": [endpoint.id], "event_ids": told,
        "delivery_id": waiting.id, "destination": deliveries.WEBHOOK, "targets": [endpoint.id], "pairs": [(told[0], endpoint.id)],
        "url": "https://mine.test", "topics": [MARK],
    }  # fmt: skip


def arguments(victim, stranger):
    """What the stranger's account calls functions with: ids and names of the victim's rows."""
    now = victim.now
    with victim.database.read() as conn:
        (theirs,) = mailboxes.list_mailboxes(conn, victim.account)
        zoe = contacts.find(conn, victim.account, f"zoe@{MARK}.test")
        deal = deals.of_contact(conn, victim.account, zoe.id)[0]
        rows = journal.rows(conn, victim.account, theirs.id, journal.Filter()).items
        email_id = next(row.email_id for row in rows if row.email_id)
        file, *_ = files.due(conn, theirs, now, 5)
        digest = accounts.digests(conn, victim.account, victim.secrets).of("m1@mail.test")
        (gap,) = gaps.work(conn, victim.account, theirs.id)
    mailbox = replace(theirs, account_id=stranger.account, own_addresses=frozenset())
    new = mailboxes.NewMailbox(None, "x@y.test", "gmail", a_token(now))
    return {
        "account_id": stranger.account, "mailbox": mailbox, "mailbox_id": theirs.id,
        "run": Run(mailbox, "run", TTL, victim.secrets), "token": "run", "ttl": TTL, "now": now,
        "user_id": theirs.user_id, "contact_id": zoe.id, "on": On.CONTACT, "row_id": zoe.id, "contact_ids": [zoe.id],
        "company_id": zoe.company.id, "company_ids": [zoe.company.id], "is_open": False, "deal_id": deal.id, "email_id": email_id, "thread_id": 1, "thread_ids": [1],
        "journal_id": rows[0].id, "journal_ids": [row.id for row in rows], "entry_id": 1,
        "mailbox_ids": [theirs.id], "reason": "late-root", "secrets": victim.secrets,
        "outcomes": [stranger.sent(1)], "headers": [stranger.sent(1).message.headers],
        "refs": [Ref("p1")], "message_ids": ["m1@mail.test"], "message_digests": ["00"],
        "message_digest": digest, "message_id": "m1@mail.test",
        "due_file": replace(file, account_id=stranger.account), "file_id": file.id, "digest": DIGEST,
        "digests": [DIGEST], "columns": {"part": "mine"}, "next_at": now, "counts": True, "state": FileState.OFF, "size": 1,
        "message": stranger.sent(1).message, "settings": AccountSettings(),
        "address": f"zoe@{MARK}.test", "addresses": [f"eve@{MARK}.test"], "people": [],
        "domain": f"{MARK}.test", "name": "log_label", "value": "mine", "entry": "mine.test", "entries": ["mine.test"], "domains": ["mine.test"],
        "user": accounts.NewUser("x@y.test"), "new": new, "cause": "revoked", "fresh": a_token(now),
        "version": 1, "followed": [], "states": [], "renew_at": now, "when": now, "cursor": "zz",
        "next_wake": now, "until": now, "since": now - timedelta(days=1), "limit": 5,
        "wanted": journal.Filter(), "password_hash": "mine",
        "viewer": Viewer(stranger.account, sees_all=True), "email_ids": [email_id],
        "keep": 10_000, "gone": zoe.id, "sequence": "mine",
        "changed": Changed(["m1@mail.test"], [email_id], [1]), "same": [{email_id}], "copies": [],
        "keyed": Digests(b"k" * 32), "refused": {email_id: {1: ("not-owner", False)}},
        "problem": "topic", "due_at": now, "resource": MARK, "sure": True,
        "rules": [MARK], "listing": owed.Owed(now, now, ()), "began": now, "brought": 1, "by": "limit:user", "spent": Spent(((1, 1),)), "provider": theirs.provider, "what": What.CONNECTED, "gap_id": gap.id, "row": gap, "arrived": 1, "attempts": 1, "found": 1, "up_to": now, "claims": "{}", "was": "revoked", "user_ids": [], "to": Visibility.EVERYONE, "team_id": 1, "role": "admin", "active": True, "asked": Asked((MARK,)),
    } | of_the_outbox(victim) | of_audits(victim)  # fmt: skip


WRITES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|WITH)", re.IGNORECASE)
FINE = (LookupError, mailboxes.NotConnected, mailboxes.LeaseLost)


class Undo(Exception):
    """Ends a transaction without keeping what was done in it."""


def test_a_function_called_for_one_account_leaves_the_other_alone(victim):
    stranger = victim.other_account()
    values = arguments(victim, stranger)
    with victim.database.read() as conn:
        before = rows_of(victim, conn)
    writes: list[str] = []
    event.listen(
        victim.database.engine,
        "before_cursor_execute",
        lambda *call: writes.append(call[2]) if WRITES.match(call[2]) else None,
    )
    for name, function in functions().items():
        writes.clear()
        parameters = list(inspect.signature(function).parameters.values())[1:]
        given = {
            each.name: values[each.name]
            for each in parameters
            if each.default is inspect.Parameter.empty and each.kind is not each.VAR_KEYWORD
        }
        with contextlib.suppress(Undo, *FINE), victim.database.begin() as conn:
            result = function(conn, **given)
            assert not writes or rows_of(victim, conn) == before, name
            assert MARK not in repr(result), name
            if isinstance(result, (dict, list, set, frozenset, tuple)):
                assert not result, name
            raise Undo


def test_the_same_mail_in_two_accounts_is_logged_in_each(victim):
    stranger = victim.other_account()
    mailbox = stranger.mailbox("ana@other.test")
    with victim.database.read() as conn:
        before = rows_of(victim, conn)
    done = stranger.settle(mailbox, stranger.sent(1, [f"zoe@{MARK}.test"], subject=MARK))
    assert len(done.email_ids) == 1
    assert done.woken == frozenset()
    with victim.database.read() as conn:
        assert rows_of(victim, conn) == before


def test_digests_of_two_accounts_differ(victim):
    stranger = victim.other_account()
    with victim.database.read() as conn:
        one, two = (
            accounts.digests(conn, each, victim.secrets).of("m1")
            for each in (victim.account, stranger.account)
        )
    assert one != two

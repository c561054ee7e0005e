"""Who sees which e-mails: the owner, a team mate and a stranger, over all functions of the store."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from crm.model import Attachment, MailboxKind, Visibility
from crm.store import accounts, contacts, deals, mailboxes, teams, timeline, visibility
from crm.store.outcomes import Logged
from crm.store.visibility import NoTeam, NotYours, Viewer, restrict
from crm.tables import Email
from tests.crm import test_accounts_are_apart as apart
from tests.crm.store_world import World

victim = apart.victim
ANA, BEN, EVE = f"ana@{apart.MARK}.test", "ben@acme.test", "eve@acme.test"  # Ben is Ana's team mate
ZOE = f"zoe@{apart.MARK}.test"
WEB = Path(__file__).parents[2] / "web"
OPEN, TEAM, ALONE = "openly", "teamwise", "secretly"  # in every text of an e-mail so restricted
NOT_FOR_PAGES = {
    "files.due": "workers read what is named there",
    "files.of_emails": "of e-mails that the timeline has let somebody see",
}
SEEN = {ANA: {OPEN, TEAM, ALONE}, BEN: {OPEN, TEAM}, EVE: {OPEN}}


@dataclass
class Office:
    """Ana's e-mails with Zoe by their marks: the first two are one thread, the third is alone."""

    world: World
    ids: dict[str, int]

    def viewer(self, address: str) -> Viewer:
        return self.world.viewer(address)

    def hidden_from(self, address: str) -> list[int]:
        return [self.ids[mark] for mark in sorted(self.ids.keys() - SEEN[address])]


def marked(logged: Logged, mark: str) -> Logged:
    """The message with `mark` in all its texts."""
    message = replace(
        logged.message,
        headers=replace(logged.message.headers, subject=mark),
        text=f"{mark} written",
        html=f"<p>{mark} written</p>",
        attachments=(Attachment("2", f"{mark}.pdf", "application/pdf", 7),),
    )
    return replace(logged, message=message)


@pytest.fixture
def office(victim: World) -> Office:
    with victim.database.begin() as conn:
        sales = teams.add_team(conn, victim.account, "Sales")
        (box,) = mailboxes.list_mailboxes(conn, victim.account)
    victim.user(EVE)
    for address in (ANA, BEN):
        user_id = victim.user(address)
        with victim.database.begin() as conn:
            teams.set_team(conn, victim.account, user_id, sales)
    ids = {}
    for number, mark in enumerate((TEAM, OPEN, ALONE), 50):
        answers = {OPEN: ("m50@mail.test",)}.get(mark, ())
        sent = victim.sent(number, [ZOE], in_reply_to=answers)
        (ids[mark],) = victim.settle(box, marked(sent, mark)).email_ids
    ana = victim.viewer(ANA)
    with victim.database.begin() as conn:
        restrict(conn, ana, ids[TEAM], Visibility.TEAM)
        restrict(conn, ana, ids[ALONE], Visibility.OWNER)
    return Office(victim, ids)


def marks(found: object) -> set[str]:
    return {mark for mark in (OPEN, TEAM, ALONE) if mark in repr(found)}


@pytest.mark.parametrize("address", [ANA, BEN, EVE], ids=["its owner", "a team mate", "a stranger"])
def test_a_timeline_shows_whoever_looks_what_they_may_see(office, address):
    world, viewer = office.world, office.viewer(address)
    with world.database.read() as conn:
        zoe = contacts.find(conn, world.account, ZOE)
        (deal,) = deals.of_contact(conn, world.account, zoe.id)
        shown = [
            timeline.of_contact(conn, viewer, zoe.id),
            timeline.of_company(conn, viewer, zoe.company.id),
            timeline.of_deal(conn, viewer, deal.id),
        ]
        assert [marks(each) for each in shown] == [SEEN[address]] * 3
        whole = {mark: timeline.email(conn, viewer, each) for mark, each in office.ids.items()}
        assert {mark for mark, each in whole.items() if each} == SEEN[address]
        everything = timeline.numbers(conn, world.everything, [zoe.id])[zoe.id]
        hidden = len(office.hidden_from(address))
        assert timeline.numbers(conn, viewer, [zoe.id]) == {zoe.id: everything - hidden}
        assert visibility.may_see(conn, viewer, office.ids.values()) == {
            office.ids[mark] for mark in SEEN[address]
        }


def test_a_thread_is_not_named_by_a_root_that_may_not_be_seen(office):
    world = office.world
    with world.database.read() as conn:
        zoe = contacts.find(conn, world.account, ZOE)
        subjects = {
            address: {each.subject for each in timeline.of_contact(conn, viewer, zoe.id).items}
            for address in SEEN
            for viewer in [office.viewer(address)]
        }
    others = apart.MARK
    assert subjects == {ANA: {TEAM, ALONE, others}, BEN: {TEAM, others}, EVE: {OPEN, others}}


class Undo(Exception):
    """Ends a transaction without keeping what was done in it."""


def outcomes(office: Office, viewer: Viewer, email_id: int, without: list[int]) -> dict[str, str]:
    """What every function for a viewer gives when it is asked for an e-mail, or raises; `without`
    these e-mails in the database."""
    world = office.world
    values = apart.arguments(world, world) | {
        "viewer": viewer, "email_id": email_id, "email_ids": list(office.ids.values()),
        "thread_id": thread_of(office, email_id),
    }  # fmt: skip
    return {
        name: outcome(world, function, values, without)
        for name, function in apart.functions().items()
        if "viewer" in inspect.signature(function).parameters
    }


def outcome(world: World, function, values, without=()) -> str:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    given = {
        each.name: values[each.name]
        for each in parameters
        if each.default is inspect.Parameter.empty and each.kind is not each.VAR_KEYWORD
    }
    result: object = None
    try:
        with world.database.begin() as conn:
            conn.execute(
                delete(Email).where(Email.account_id == world.account, Email.id.in_(without))
            )
            result = function(conn, **given)
            raise Undo
    except Undo:
        return repr(result)
    except Exception as error:  # noqa: BLE001 - a refusal is an answer like another
        return repr(type(error))


def thread_of(office: Office, email_id: int) -> int:
    with office.world.database.read() as conn:
        whole = timeline.email(conn, office.world.everything, email_id)
    assert whole is not None
    return whole.email.thread_id


def cases() -> Iterator[tuple[str, str]]:
    return ((address, mark) for address in (BEN, EVE) for mark in (OPEN, TEAM, ALONE))


def test_what_may_not_be_seen_changes_no_answer_of_the_store(office):
    for address, mark in cases():
        viewer, hidden = office.viewer(address), office.hidden_from(address)
        there = outcomes(office, viewer, office.ids[mark], [])
        gone = outcomes(office, viewer, office.ids[mark], hidden)
        assert there == gone, (address, mark)
        assert "timeline.of_contact" in there
        if mark not in SEEN[address]:
            assert there["timeline.email"] == "None"
            assert "LookupError" in there["visibility.restrict"]


def test_what_is_not_asked_for_by_a_viewer_holds_no_text_of_an_e_mail(office):
    world = office.world
    values = apart.arguments(world, world) | {"email_id": office.ids[ALONE]}
    answers = {
        name: outcome(world, function, values)
        for name, function in apart.functions().items()
        if "viewer" not in inspect.signature(function).parameters
    }
    assert {name for name, each in answers.items() if marks(each)} <= NOT_FOR_PAGES.keys()
    pages = "".join(each.read_text() for each in WEB.rglob("*.py"))
    assert [name for name in NOT_FOR_PAGES if f"{name}(" in pages] == []
    assert len([each for each in answers.values() if not each.startswith("<class")]) > 40


def test_a_team_is_who_is_in_it_now(office):
    world = office.world
    with world.database.begin() as conn:
        teams.set_team(conn, world.account, world.user(BEN), None)
        other = teams.add_team(conn, world.account, "Support")
        teams.set_team(conn, world.account, world.user(EVE), other)
    ids = office.ids
    with world.database.read() as conn:
        assert visibility.may_see(conn, office.viewer(BEN), ids.values()) == {ids[OPEN]}
        assert visibility.may_see(conn, office.viewer(EVE), ids.values()) == {ids[OPEN]}
        assert len(visibility.may_see(conn, office.viewer(ANA), ids.values())) == 3


def test_a_program_sees_what_everyone_may_see_unless_it_was_given_more(office):
    account, ids = office.world.account, office.ids
    with office.world.database.read() as conn:
        assert visibility.may_see(conn, Viewer(account), ids.values()) == {ids[OPEN]}
        all_of = visibility.may_see(conn, Viewer(account, sees_all=True), ids.values())
    assert all_of == set(ids.values())


def test_the_owner_alone_decides_who_sees_an_e_mail(office):
    ids = office.ids
    with office.world.database.begin() as conn:
        for address in (BEN, EVE):
            with pytest.raises(NotYours):
                restrict(conn, office.viewer(address), ids[OPEN], Visibility.OWNER, is_admin=True)
        restrict(conn, office.viewer(ANA), ids[ALONE], Visibility.EVERYONE)
        assert ids[ALONE] in visibility.may_see(conn, office.viewer(EVE), ids.values())
        with pytest.raises(LookupError):
            restrict(conn, office.viewer(ANA), 10**6, Visibility.OWNER)


def test_a_whole_thread_can_be_restricted_at_once(office):
    ids = office.ids
    with office.world.database.begin() as conn:
        done = restrict(conn, office.viewer(ANA), ids[OPEN], Visibility.OWNER, whole_thread=True)
        assert done == 2
        assert visibility.may_see(conn, office.viewer(BEN), ids.values()) == set()


def test_what_has_no_owner_becomes_the_admins_who_restricts_it(office):
    world = office.world
    team_box = world.mailbox("sales@acme.test", kind=MailboxKind.TEAM)
    (made,) = world.settle(team_box, world.sent(60, [ZOE])).email_ids
    eve = office.viewer(EVE)
    with world.database.begin() as conn:
        with pytest.raises(NotYours):
            restrict(conn, eve, made, Visibility.OWNER)
        restrict(conn, eve, made, Visibility.OWNER, is_admin=True)
        assert timeline.email(conn, eve, made).email.owner_id == eve.user_id
        assert timeline.email(conn, office.viewer(ANA), made) is None


def test_nobody_restricts_to_a_team_they_are_not_in(office):
    eve = office.viewer(EVE)
    with office.world.database.begin() as conn:
        with pytest.raises(NoTeam):
            restrict(conn, eve, office.ids[OPEN], Visibility.TEAM)
        with pytest.raises(NoTeam):
            visibility.set_default(conn, eve, Visibility.TEAM)


def test_new_e_mails_are_seen_by_whom_their_owner_wants(office):
    world = office.world
    with world.database.begin() as conn:
        visibility.set_default(conn, office.viewer(ANA), Visibility.OWNER)
        assert accounts.user(conn, world.account, world.user(ANA)).visibility == "owner"
        (box,) = mailboxes.list_mailboxes(conn, world.account)
    (made,) = world.settle(box, world.sent(70, [ZOE])).email_ids
    with world.database.read() as conn:
        assert timeline.email(conn, office.viewer(BEN), made) is None
        assert timeline.email(conn, office.viewer(ANA), made) is not None
        assert timeline.email(conn, office.viewer(EVE), office.ids[OPEN]) is not None


def test_somebody_stays_an_admin_who_can_sign_in(office):
    world = office.world
    ana, eve = world.user(ANA), world.user(EVE)
    with world.database.begin() as conn:
        for user_id in (ana, eve):
            teams.set_role(conn, world.account, user_id, "admin")
        teams.set_active(conn, world.account, eve, False)
        with pytest.raises(teams.LastAdmin):
            teams.set_active(conn, world.account, ana, False)
        with pytest.raises(teams.LastAdmin):
            teams.set_role(conn, world.account, ana, "member")
        teams.set_active(conn, world.account, eve, True)
        teams.set_role(conn, world.account, ana, "member")
        assert [each.people for each in teams.teams(conn, world.account)] == [2, 0]

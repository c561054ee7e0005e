"""The mailboxes: how each is doing, sync now, disconnect."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.model import Folder, MailboxStatus, WatchState
from crm.store import accounts, journal, limits, mailboxes
from crm.store.mailboxes import Counts, Mailbox, NotConnected
from infra.logs import get
from providers import causes, oauth
from providers.client import ProviderError
from web import gaps, live
from web.connect import NAMES, owned_mailbox
from web.gaps import Gap
from web.parts import Parts, parts
from web.people import me
from workers.queue import Ask

RULED = frozenset({"graph"})  # whose rules put mail into folders


@dataclass(frozen=True, slots=True)
class Card:
    mailbox: Mailbox
    provider: str
    owner: str  # '' for one's own
    state: str
    mood: str  # good, waiting, bad or quiet
    cause: causes.Cause | None
    fault: causes.Cause | None  # of this installation's set-up
    today: Counts
    given_up: int
    folders: tuple[Folder, ...]
    renews_at: datetime | None
    unwatched: causes.Cause | None  # why its provider announces nothing

    gaps: tuple[Gap, ...]  # that wait for its owner's choice, or are being read

    @property
    def has_rules(self) -> bool:
        return self.mailbox.provider in RULED

    @property
    def version(self) -> tuple[object, ...]:
        box = self.mailbox
        away = tuple(each.version for each in self.gaps)
        problems = (box.watch_problem, box.blocked_by, box.hidden_rules)
        shown = (self.state, self.today, self.folders, self.renews_at, problems, away)
        return (box.id, box.last_synced_at, box.label_problem, box.moved_to, *shown)


def page() -> str:
    cards = _cards()
    return render_template("mailboxes.html", cards=cards, version=_version(cards))


def cards_part() -> Response:
    cards = _cards()
    return live.part("parts/cards.html", _version(cards), cards=cards)


def sync_now(mailbox_id: int) -> AnyResponse:
    """Ring the mailbox; the worker looks at it within seconds."""
    mailbox = owned_mailbox(mailbox_id)
    if mailbox.status is not MailboxStatus.CONNECTED:
        abort(409)
    parts().queue.wake(mailbox.id)
    flash(f"{mailbox.address} is being looked at. New replies appear within seconds.")
    return redirect(url_for("mailboxes"))


def read_rules(mailbox_id: int) -> AnyResponse:
    """Have folders, inbox rules and watches looked at now; the card and the history show the rest."""
    mailbox = owned_mailbox(mailbox_id)
    if mailbox.status is not MailboxStatus.CONNECTED or mailbox.provider not in RULED:
        abort(409)
    parts().queue.rewatch(mailbox.id, Ask.PERSON)
    flash(
        f"The rules of {mailbox.address} are being read again. Within seconds “Followed” shows what "
        "they fill; its history says what changed."
    )
    return redirect(url_for("mailboxes"))


def ask_disconnect(mailbox_id: int) -> str:
    return render_template("disconnect.html", mailbox=owned_mailbox(mailbox_id))


def disconnect(mailbox_id: int) -> AnyResponse:
    """Stop reading. The provider is asked to end announcements and consent, but need not answer."""
    mailbox = owned_mailbox(mailbox_id)
    here = parts()
    _let_go(mailbox)
    with here.database.begin() as conn:
        mailboxes.disconnect(conn, mailbox.account_id, mailbox.id, here.clock())
    flash(f"{mailbox.address} is disconnected. What was logged stays.")
    return redirect(url_for("mailboxes"))


def _let_go(mailbox: Mailbox) -> None:
    here = parts()
    steps = (_revoke,) if mailbox.rests(here.clock()) else (_unwatch, _revoke)
    for step in steps:  # a watch that is left ends by itself
        try:
            step(here, mailbox)
        except (ProviderError, NotConnected) as error:
            get(__name__).warning(
                "the provider was not told of a disconnect",
                mailbox_id=mailbox.id,
                step=step.__name__.strip("_"),
                error=type(error).__name__,
            )


def _unwatch(here: Parts, mailbox: Mailbox) -> None:
    with here.database.read() as conn:
        have = mailboxes.watches(conn, mailbox.account_id, mailbox.id)
    client = here.client_of(mailbox)
    try:
        client.unwatch(have)
    finally:
        client.close()


def _revoke(here: Parts, mailbox: Mailbox) -> None:
    with here.database.read() as conn:
        tokens, _ = mailboxes.tokens(conn, mailbox.account_id, mailbox.id, here.secrets)
    oauth.revoke(mailbox.provider, here.settings, tokens)


def _cards() -> list[Card]:
    """The person's own mailboxes; for an admin those of everybody, after their own."""
    here = parts()
    now = here.clock()
    account = me().account_id
    with here.database.read() as conn:
        found = [each for each in mailboxes.list_mailboxes(conn, account) if _visible(each)]
        today = mailboxes.counts(conn, account, now - timedelta(hours=24))
        given_up = journal.given_up(conn, account)
        owners = {each.id: each.address for each in accounts.users(conn, account)}
        folders = {each.id: tuple(mailboxes.folders(conn, account, each.id)) for each in found}
        watches = {each.id: mailboxes.watches(conn, account, each.id) for each in found}
        away = {each.id: tuple(gaps.of(conn, each)) for each in found}
    cards = []
    for each in found:
        state, mood = _state(each, now)
        fault = limits.setup_cause(each) if each.status is MailboxStatus.CONNECTED else ""
        cards.append(
            Card(
                mailbox=each,
                provider=NAMES.get(each.provider, each.provider),
                owner="" if me().owns(each) else owners.get(each.user_id or 0, "nobody"),
                state=state,
                mood=mood,
                cause=causes.explain(each.reason) if each.reason else None,
                fault=causes.explain(fault) if fault else None,
                today=today.get(each.id, Counts()),
                given_up=given_up.get(each.id, 0),
                folders=folders[each.id],
                renews_at=_renews_at(each, watches[each.id]),
                unwatched=causes.explain(each.watch_problem) if each.watch_problem else None,
                gaps=away[each.id] if me().owns(each) else (),
            )
        )
    return sorted(cards, key=lambda card: (bool(card.owner), card.mailbox.address))


def _visible(mailbox: Mailbox) -> bool:
    return me().owns(mailbox) or me().is_admin


def _state(mailbox: Mailbox, now: datetime) -> tuple[str, str]:
    if mailbox.status is MailboxStatus.RECONNECT:
        return "Stopped: it needs its owner", "bad"
    if mailbox.status is MailboxStatus.DISCONNECTED:
        return "Disconnected", "quiet"
    if mailbox.moved_to:
        return "Connected, but its mail moves away", "waiting"
    held = _held_up(mailbox, now)
    if held:
        return held
    if mailbox.last_synced_at is None:
        return "Getting ready", "waiting"
    return "Connected", "good"


def _held_up(mailbox: Mailbox, now: datetime) -> tuple[str, str] | None:
    """Why a connected mailbox is left alone; None where it is not."""
    if limits.setup_cause(mailbox):
        return "Stopped: an admin must mend the set-up", "bad"
    if limits.holds(mailbox, now):
        return "Waiting: the provider asked us to slow down", "waiting"
    return ("Waiting: it could not be read just now", "waiting") if mailbox.rests(now) else None


def _renews_at(mailbox: Mailbox, watches: list[WatchState]) -> datetime | None:
    if mailbox.status is not MailboxStatus.CONNECTED:
        return None
    return mailbox.renew_at or min((each.expires_at for each in watches), default=None)


def _version(cards: list[Card]) -> str:
    return live.version(*(card.version for card in cards))

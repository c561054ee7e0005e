"""Connecting a mailbox: its address, who hosts it, the provider's consent, and what is followed.

Nothing is locked while a provider is asked: Microsoft calls this installation back before it
answers, and the database is written once at the end.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from flask import abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from crm.addresses import normalise
from crm.history import PROVIDER_NAMES
from crm.model import MailboxKind, MailboxStatus
from crm.store import limits, mailboxes, moving
from crm.store.mailboxes import Mailbox, NewMailbox
from infra.logs import get
from infra.secrets import WrongKey
from providers import causes, hosts, oauth
from providers.client import Operator, ProviderError, Reconnect, Retry
from providers.oauth import Flow, Grant
from web.connecting import hosted_elsewhere, is_read_already, new_mailbox, with_consent
from web.parts import parts
from web.people import admin_only, me
from web.refusals import STATUS, refusal

NAMES = PROVIDER_NAMES
CALLBACKS = {"google": "gmail", "microsoft": "graph"}
PATHS = {provider: path for path, provider in CALLBACKS.items()}
FLOW_MINUTES = 15
MOST_FLOWS = 3  # tabs with a consent under way

Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Begun:
    """A consent under way, as the session holds it."""

    flow: Flow
    provider: str
    typed: str
    mailbox_id: int | None
    user_id: int
    kind: MailboxKind


def page() -> str:
    return render_template("connect.html", address=me().address, problem="")


def ask_host() -> Answer:
    """Who hosts the address that was typed, and the one button for it."""
    typed = request.form.get("address", "").strip()
    address = normalise(typed)
    if not address:
        problem = "This is not an e-mail address. One looks like ana@example.com."
        return render_template("connect.html", address=typed, problem=problem), 422
    return _host_page(address, _chosen_kind())


def start(provider_path: str) -> Answer:
    """Send the browser to the provider's consent page for `?address=`, as the kind of mailbox that
    was chosen on the page before."""
    provider = CALLBACKS.get(provider_path) or abort(404)
    kind = _sealed_kind(request.args.get("chosen", ""))
    return _begin(provider, normalise(request.args.get("address", "")), None, kind)


def _sealed_kind(chosen: str) -> MailboxKind:
    """The kind in a link that `ask_host` made for this person, which nobody else can make."""
    if not chosen:
        return MailboxKind.PERSONAL
    try:
        kind, user_id, minute = _opened(chosen)
    except WrongKey:
        abort(400)
    if user_id != me().id or _minute() - minute > FLOW_MINUTES:
        abort(400)
    return MailboxKind(kind)


def _chosen_kind() -> MailboxKind:
    """What the form says; only admins choose another kind than their own mailbox."""
    chosen = request.form.get("kind", MailboxKind.PERSONAL.value)
    if chosen not in set(MailboxKind):
        abort(400)
    if chosen != MailboxKind.PERSONAL:
        admin_only()
    return MailboxKind(chosen)


def reconnect(mailbox_id: int) -> Answer:
    mailbox = owned_mailbox(mailbox_id)
    return render_template(
        "reconnect.html",
        mailbox=mailbox,
        name=NAMES[_goes_on_at(mailbox)],
        left=NAMES[mailbox.provider] if mailbox.moved_to else "",
        cause=causes.explain(mailbox.reason) if mailbox.reason else None,
    )


def start_again(mailbox_id: int) -> Answer:
    mailbox = owned_mailbox(mailbox_id)
    claims = mailbox.claims if not mailbox.moved_to else ""  # of the provider that asked for them
    return _begin(_goes_on_at(mailbox), mailbox.address, mailbox.id, claims=claims)


def _goes_on_at(mailbox: Mailbox) -> str:
    """The provider to connect it with: where DNS says that its mail goes now."""
    return mailbox.moved_to or mailbox.provider


def stays(mailbox_id: int) -> Answer:
    """Its owner says that the mailbox has not moved, whatever its domain's mail servers are."""
    mailbox, here = owned_mailbox(mailbox_id), parts()
    with here.database.begin() as conn:
        stayed = moving.stays(conn, mailbox.account_id, mailbox.id, here.clock())
    if stayed:
        flash(f"{mailbox.address} stays at {NAMES[mailbox.provider]}. You are not asked again.")
    return redirect(url_for("mailboxes"))


def callback(provider_path: str) -> Answer:
    """The provider sends the browser back here, with a code or with what went wrong."""
    begun = _recall(request.args.get("state", ""))
    if begun is None or begun.provider != CALLBACKS.get(provider_path):
        return refusal("stale", "", "")
    try:
        grant = _finish(begun)
        return _connected(begun, grant)
    except Reconnect as error:
        _tell(begun, error, error.cause)
        _remember_claims(begun, error.claims)
        return refusal(error.cause, begun.provider, begun.typed, begun.mailbox_id)
    except Operator as error:
        _tell(begun, error, error.cause)
        return refusal(error.cause, begun.provider, begun.typed, begun.mailbox_id)
    except Retry as error:
        _tell(begun, error, error.reason)
        return refusal("busy", begun.provider, begun.typed, begun.mailbox_id)


def _remember_claims(begun: Begun, claims: str) -> None:
    """What the next try must prove, where the provider asked for it (Entra's second factor)."""
    if claims and begun.mailbox_id is not None:
        with parts().database.begin() as conn:
            mailboxes.must_prove(conn, me().account_id, begun.mailbox_id, claims)


def agreed() -> str:
    """Where Microsoft sends an administrator who was asked to agree for the organisation."""
    return render_template("agreed.html", agreed="error" not in request.args)


def owned_mailbox(mailbox_id: int) -> Mailbox:
    """The mailbox, when it is the signed-in person's own; else 404 or 403."""
    found = _stored(mailbox_id) or abort(404)
    if not me().owns(found):
        abort(403)
    return found


def seen_mailbox(mailbox_id: int) -> Mailbox:
    """The mailbox, when it is the signed-in person's own or they are an admin; else 404 or 403: for
    pages that name no mail."""
    found = _stored(mailbox_id) or abort(404)
    if not (me().owns(found) or me().is_admin):
        abort(403)
    return found


def _stored(mailbox_id: int | None) -> Mailbox | None:
    if mailbox_id is None:
        return None
    with parts().database.read() as conn:
        return mailboxes.mailbox(conn, me().account_id, mailbox_id)


def _host_page(address: str, kind: MailboxKind) -> str:
    host = hosts.host_of(address, parts().settings)
    return render_template(
        "host.html",
        address=address,
        domain=address.rpartition("@")[2],
        host=host.value,
        names=NAMES,
        paths=PATHS,
        kind=kind,
        chosen=_sealed_choice(kind),
    )


def _begin(
    provider: str,
    address: str,
    mailbox_id: int | None,
    kind: MailboxKind = MailboxKind.PERSONAL,
    claims: str = "",
) -> Answer:
    try:
        flow = oauth.begin(provider, parts().settings, _redirect_uri(provider), address, claims)
    except Operator as error:
        return refusal(error.cause, provider, address, mailbox_id)
    _read_old_place(provider, address)
    flows = session.get("flows", {})
    newest = dict(list(flows.items())[-(MOST_FLOWS - 1) :])
    held = [flow.verifier, provider, address, mailbox_id, me().id, kind.value, _minute()]
    session["flows"] = newest | {flow.state: _sealed(held)}
    return redirect(flow.url)


def _read_old_place(provider: str, address: str) -> None:
    """While the person signs in elsewhere, the mailbox is read where it was, for the last time."""
    known = _known(address)
    if known and me().owns(known) and known.provider != provider:
        parts().ring(known.id)


def _recall(state: str) -> Begun | None:
    """The consent that `state` belongs to. It can be finished once, by who began it, in time."""
    flows = dict(session.get("flows", {}))
    stored = flows.pop(state, None)
    session["flows"] = flows
    if stored is None:
        return None
    try:
        verifier, provider, typed, mailbox_id, user_id, kind, minute = _opened(stored)
    except WrongKey:
        return None
    if user_id != me().id or _minute() - minute > FLOW_MINUTES:
        return None
    flow = Flow("", state, verifier)
    return Begun(flow, provider, typed, mailbox_id, user_id, MailboxKind(kind))


def _sealed(held: Sequence[object]) -> str:
    """Encrypted: the session is signed, but whoever has the cookie's text can read it."""
    return parts().secrets.encrypt(json.dumps(held).encode()).decode()


def _opened(sealed: str) -> list[Any]:
    return cast("list[Any]", json.loads(parts().secrets.decrypt(sealed.encode())))


def _finish(begun: Begun) -> Grant:
    here, back = parts(), _redirect_uri(begun.provider)
    known = _stored(begun.mailbox_id)
    claims = known.claims if known and known.provider == begun.provider else ""
    return oauth.finish(begun.provider, here.settings, back, begun.flow, request.args, claims)


def _connected(begun: Begun, grant: Grant) -> Answer:
    address, now = normalise(grant.address), parts().clock()
    known = _known(address)
    if begun.mailbox_id is not None and (known is None or known.id != begun.mailbox_id):
        return refusal(causes.WRONG_ACCOUNT, begun.provider, begun.typed, begun.mailbox_id)
    if known is not None and not me().owns(known) and known.status is MailboxStatus.CONNECTED:
        return refusal("taken", begun.provider, address)
    chosen = begun.mailbox_id is None and (known is None or me().is_admin)
    kind = begun.kind if chosen or known is None else known.kind
    if known is not None and known.provider == begun.provider and limits.holds(known, now):
        return refusal("busy", begun.provider, begun.typed, begun.mailbox_id)
    right = hosted_elsewhere(begun.provider, address, known, parts().settings)
    if right and not _is_sure(begun.provider, address):
        return _wrong_provider(begun, address, right, kind)
    here = parts()
    which = (begun.provider, grant, me().id)
    if is_read_already(known, begun.provider, grant):
        new = with_consent(*which, kind)
    else:
        new = new_mailbox(*which, here.settings, here.open_client, kind)
    mailbox_id = _store(new)
    if right:
        with here.database.begin() as conn:
            moving.stays(conn, me().account_id, mailbox_id, now)
    here.ring(mailbox_id)
    typed = begun.typed if begun.typed != address else None
    anew = 1 if known and known.provider == begun.provider and _is_new(known, grant) else None
    return redirect(url_for("connected", mailbox_id=mailbox_id, typed=typed, anew=anew))


def _is_new(known: Mailbox, grant: Grant) -> bool:
    """Whether another account has the address now: it was deleted and made anew, or given on."""
    return bool(known.subject and grant.subject) and known.subject != grant.subject


def anyway(provider_path: str) -> Answer:
    """The person is sure that the mailbox is there, whatever the domain's mail servers are."""
    provider = CALLBACKS.get(provider_path) or abort(404)
    address = normalise(request.form.get("address", ""))
    session["sure"] = _sealed([provider, address, me().id, _minute()])
    return _begin(provider, address, None, _sealed_kind(request.form.get("chosen", "")))


def _is_sure(provider: str, address: str) -> bool:
    try:
        *said, minute = _opened(session.get("sure", ""))
    except WrongKey:
        return False
    return said == [provider, address, me().id] and _minute() - minute <= FLOW_MINUTES


def _wrong_provider(begun: Begun, address: str, right: str, kind: MailboxKind) -> tuple[str, int]:
    """A consent for an address whose mail is at another provider (a Google account, say, can have
    any address): nothing is stored."""
    get(__name__).info("a consent was for another host", provider=begun.provider, host=right)
    page = render_template(
        "wrong_provider.html",
        address=address,
        domain=address.rpartition("@")[2],
        chosen_name=NAMES[begun.provider],
        chosen_path=PATHS[begun.provider],
        name=NAMES[right],
        path=PATHS[right],
        chosen=_sealed_choice(kind),
    )
    return page, STATUS


def _sealed_choice(kind: MailboxKind) -> str | None:
    return _sealed([kind.value, me().id, _minute()]) if kind != MailboxKind.PERSONAL else None


def _known(address: str) -> Mailbox | None:
    with parts().database.read() as conn:
        found = mailboxes.list_mailboxes(conn, me().account_id)
    return next((each for each in found if each.address == address), None)


def _store(new: NewMailbox) -> int:
    here = parts()
    with here.database.begin() as conn:
        return mailboxes.connect(conn, me().account_id, new, here.secrets, here.clock())


def _redirect_uri(provider: str) -> str:
    return f"{parts().settings.public_url}/connect/{PATHS[provider]}/callback"


def _minute() -> int:
    return int(parts().clock().timestamp() // 60)


def _tell(begun: Begun, error: ProviderError, cause: str) -> None:
    get(__name__).warning(
        "a mailbox was not connected",
        provider=begun.provider,
        error=type(error).__name__,
        cause=cause,
    )

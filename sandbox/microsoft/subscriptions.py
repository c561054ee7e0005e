"""Subscriptions: asking for them, renewing them, and the notifications they send."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlsplit

from sandbox.microsoft import odata, view
from sandbox.microsoft.graph import Context, segments_of
from sandbox.microsoft.notifier import Delivery
from sandbox.microsoft.service import CLIENT_ID, Service
from sandbox.microsoft.store import Change, Store
from sandbox.microsoft.wire import Answer, GraphError, Json, bad_request, read_time, stamp

if TYPE_CHECKING:
    from sandbox.microsoft.people import Mailbox

LONGEST = timedelta(minutes=10_080)
SHORTEST = timedelta(minutes=45)
_KINDS = {"created", "updated", "deleted"}
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_NEVER = {"vapidPublicKey", "webPushEncryptionP256dhPublicKey", "webPushEncryptionSecret"}
_TOKEN = "Validation: Testing client application reachability for subscription Request-Id: "


@dataclass
class Subscription:
    id: str
    address: str
    resource: str
    folder: str  # "" = the whole mailbox
    kinds: frozenset[str]
    change_type: str
    url: str
    lifecycle_url: str
    client_state: str
    expires: datetime
    immutable: bool
    keeps: Callable[[Json], bool]
    paused: bool = False  # waits for reauthorization: what changes meanwhile is never told
    tls: str = "v1_2"
    silent: bool = False  # alive by every answer, and never tells of mail

    @property
    def same(self) -> tuple[str, str, frozenset[str]]:
        return (self.address, self.folder, self.kinds)


def show(subscription: Subscription, oid: str, secret: bool = False) -> Json:
    """`secret`: with clientState, which only the answer to POST carries."""
    return {
        "id": subscription.id,
        "resource": subscription.resource,
        "applicationId": CLIENT_ID,
        "changeType": subscription.change_type,
        "clientState": subscription.client_state if secret else None,
        "notificationUrl": subscription.url,
        "notificationQueryOptions": None,
        "lifecycleNotificationUrl": subscription.lifecycle_url or None,
        "expirationDateTime": stamp(subscription.expires),
        "creatorId": oid,
        "includeResourceData": None,
        "latestSupportedTlsVersion": subscription.tls,
        "encryptionCertificate": None,
        "encryptionCertificateId": None,
        "notificationUrlAppId": None,
    }


def _invalid(text: str) -> GraphError:
    return bad_request(text, "InvalidRequest")


# the handlers


def create(context: Context) -> Answer:
    """POST /subscriptions. The validation requests happen before this returns."""
    body = context.call.json()
    world, service = context.service.world, context.service
    with world.lock:
        wanted = _read(context, body)
        _check_room(context, wanted)
    _validate(service, wanted.url)
    if wanted.lifecycle_url:
        _validate(service, wanted.lifecycle_url)
    with world.lock:
        _check_room(context, wanted)
        service.subscriptions[wanted.id] = wanted
    note = {"@odata.context": f"{context.call.root}/$metadata#subscriptions/$entity"}
    return Answer(201, note | show(wanted, context.mailbox.oid, secret=True))


def listing(context: Context) -> Answer:
    own = _live(context.service, context.mailbox.address)
    value = [show(subscription, context.mailbox.oid) for subscription in own]
    return Answer(
        200, {"@odata.context": f"{context.call.root}/$metadata#subscriptions", "value": value}
    )


def get(context: Context, key: str) -> Answer:
    return Answer(200, show(_find(context, key), context.mailbox.oid))


def change(context: Context, key: str) -> Answer:
    """PATCH: a new expiry renews and reauthorizes; a new URL is validated first."""
    body = context.call.json()
    world = context.service.world
    with world.lock:
        subscription = _find(context, key)
        unknown = set(body) - {"expirationDateTime", "notificationUrl", "@odata.type", "id"}
        if unknown or not body:
            raise _invalid(f"Property {min(unknown, default='')} cannot be updated.")
        text = str(body.get("expirationDateTime", ""))
        expires = _expiry(world.now(), text) if text else subscription.expires
    if "notificationUrl" in body:
        _check_url(str(body["notificationUrl"]))
        _validate(context.service, str(body["notificationUrl"]))
    with world.lock:
        subscription.url = str(body.get("notificationUrl", subscription.url))
        subscription.expires = expires
        subscription.paused = False
    return Answer(200, show(subscription, context.mailbox.oid))


def reauthorize(context: Context, key: str) -> Answer:
    _find(context, key).paused = False
    return Answer(204)


def delete(context: Context, key: str) -> Answer:
    subscription = _find(context, key)
    del context.service.subscriptions[subscription.id]
    return Answer(204)


# checking what was asked


def _live(service: Service, address: str) -> list[Subscription]:
    now = service.world.now()
    for key, subscription in list(service.subscriptions.items()):
        if subscription.expires <= now:
            del service.subscriptions[key]
    return [s for s in service.subscriptions.values() if s.address == address]


def _find(context: Context, key: str) -> Subscription:
    for subscription in _live(context.service, context.mailbox.address):
        if subscription.id == key:
            return subscription
    raise GraphError(404, "ResourceNotFound", "The object was not found.")


def _read(context: Context, body: Json) -> Subscription:
    for name in ("changeType", "notificationUrl", "resource", "expirationDateTime"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise _invalid(f"The '{name}' property is required.")
    if _NEVER & set(body) or body.get("includeResourceData"):
        raise _invalid("The request has properties that this kind of subscription cannot have.")
    if len(str(body.get("clientState") or "")) > 128:
        raise _invalid("clientState exceeds the maximum length of 128 characters.")
    kinds = frozenset(body["changeType"].lower().replace(" ", "").split(","))
    if not kinds <= _KINDS:
        raise _invalid(f"The value '{body['changeType']}' of parameter 'ChangeType' is invalid.")
    _check_url(body["notificationUrl"])
    lifecycle = str(body.get("lifecycleNotificationUrl") or "")
    if lifecycle:
        _check_url(lifecycle)
    folder, keeps = _resource(context, body["resource"])
    return Subscription(
        str(uuid.uuid4()),
        context.mailbox.address,
        body["resource"],
        folder,
        kinds,
        body["changeType"],
        body["notificationUrl"],
        lifecycle,
        str(body.get("clientState") or ""),
        _expiry(context.service.world.now(), body["expirationDateTime"]),
        context.call.immutable,
        keeps,
        tls=str(body.get("latestSupportedTlsVersion") or "v1_2"),
    )


def _resource(context: Context, resource: str) -> tuple[str, Callable[[Json], bool]]:
    """The folder ("" = all) and the filter of a resource; raises GraphError 400."""
    path, _, query = resource.lstrip("/").partition("?")
    parts = segments_of(path)
    low = [part.lower() for part in parts]
    if low[:1] == ["me"]:
        rest = parts[1:]
    elif low[:1] == ["users"] and len(parts) > 1:
        if context.service.mailbox(parts[1]) is not context.mailbox:
            raise GraphError(
                403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."
            )
        rest = parts[2:]
    else:
        raise _bad_resource(resource)
    options = dict(part.partition("=")[::2] for part in query.split("&") if part)
    keeps = odata.read_filter(options.get("$filter", "")).test
    if [part.lower() for part in rest] == ["messages"]:
        return "", keeps
    if len(rest) != 3 or rest[0].lower() != "mailfolders" or rest[2].lower() != "messages":
        raise _bad_resource(resource)
    try:
        return context.mailbox.store.folder(rest[1]).id, keeps
    except GraphError:
        raise _bad_resource(resource) from None


def _bad_resource(resource: str) -> GraphError:
    text = (
        "Operation: Create; Exception: [Status Code: BadRequest; Reason: The value "
        f"'https://outlook.office365.com/api/beta/{resource}' of parameter 'Resource' is invalid.]"
    )
    return bad_request(text, "ExtensionError")


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in _LOCAL
    if not (parts.scheme == "https" and parts.hostname) and not local:
        raise _invalid("The URL of notifications must be HTTPS.")


def _expiry(now: datetime, text: str) -> datetime:
    """Refused above the most, raised below the least."""
    try:
        wanted = read_time(text)
    except ValueError:
        raise _invalid(f"The value '{text}' of 'expirationDateTime' is invalid.") from None
    if wanted > now + LONGEST:
        raise _invalid("Subscription expiration can only be 10080 minutes in the future.")
    if wanted <= now:
        raise _invalid("Subscription expiration must be in the future.")
    return max(wanted, now + SHORTEST)


def _check_room(context: Context, wanted: Subscription) -> None:
    own = _live(context.service, context.mailbox.address)
    for other in own:
        if other.same == wanted.same:
            text = f"Subscription Id {other.id} already exists for the requested combination"
            raise GraphError(409, "Conflict", text)
    if len(own) >= context.mailbox.switches.number("graph.subscription_quota"):
        text = "The mailbox has reached its maximum number of Microsoft Graph subscriptions."
        raise GraphError(403, "Forbidden", text)


def _validate(service: Service, url: str) -> None:
    token = _TOKEN + str(uuid.uuid4())
    encoded = quote_plus(token).replace("%3A", "%3a")
    joint = "&" if urlsplit(url).query else "?"
    service.world.count("graph.validation")
    found = service.notifier.ask(f"{url}{joint}validationToken={encoded}")
    if found is None:
        raise _invalid("Subscription validation request timed out.")
    status, kind, text = found
    if status != 200:
        raise _invalid(
            "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."
        )
    if text != token or kind.partition(";")[0].strip().lower() != "text/plain":
        raise _invalid(
            "Subscription validation request failed. Response must exactly match validationToken query parameter."
        )


# what they send


class Announcer:
    """Turns changes of one mailbox into notifications."""

    def __init__(self, service: Service, mailbox: "Mailbox") -> None:
        self.service = service
        self.mailbox = mailbox

    def changed(self, event: Change) -> None:
        """Tell every subscription that asked for it; called with the world's lock held."""
        for subscription in _live(self.service, self.mailbox.address):
            for kind in _kinds(event, subscription, self.mailbox.store):
                if kind in subscription.kinds and not (subscription.paused or subscription.silent):
                    self._send(
                        subscription, subscription.url, self._item(subscription, event, kind)
                    )

    def silence(self) -> None:
        """The subscriptions there are now tell of no mail any more; new ones do."""
        for subscription in _live(self.service, self.mailbox.address):
            subscription.silent = True

    def lifecycle(self, kind: str) -> None:
        """Send a lifecycle event to every subscription of the mailbox that has a URL for it."""
        for subscription in _live(self.service, self.mailbox.address):
            if kind == "reauthorizationRequired":
                subscription.paused = True
            if kind == "subscriptionRemoved":
                del self.service.subscriptions[subscription.id]
            if subscription.lifecycle_url:
                item = {**self._head(subscription), "lifecycleEvent": kind}
                self._send(subscription, subscription.lifecycle_url, item)

    def _send(self, subscription: Subscription, url: str, item: Json) -> None:
        switches = self.mailbox.switches
        self.service.notifier.send(Delivery(url, item, subscription.address, switches))

    def _head(self, subscription: Subscription) -> Json:
        odd = self.mailbox.switches.on("graph.organization_id")
        return {
            "subscriptionId": subscription.id,
            "subscriptionExpirationDateTime": stamp(subscription.expires),
            "organizationId" if odd else "tenantId": self.mailbox.tenant,
            "clientState": subscription.client_state,
        }

    def _item(self, subscription: Subscription, event: Change, kind: str) -> Json:
        key = event.immutable if subscription.immutable else event.id
        path = self._path(key)
        message = self.mailbox.store.messages.get(event.number)
        return {
            **self._head(subscription),
            "changeType": kind,
            "resource": path,
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Message",
                "@odata.id": path,
                "@odata.etag": view.etag(message) if message else 'W/"CQAAAA=="',
                "id": key,
            },
        }

    def _path(self, key: str) -> str:
        oid = self.mailbox.oid
        usual = f"Users/{oid}/Messages/{key}"
        others = [
            f"users/{oid}@{self.mailbox.tenant}/messages/{key}",
            f"Users('{oid}')/messages('{key}')",
        ]
        odd = self.mailbox.switches.on("graph.odd_case")
        return self.service.random.choice([usual, *others]) if odd else usual


def _kinds(event: Change, subscription: Subscription, store: Store) -> list[str]:
    """What a change is to a subscription: nothing, or created, updated, deleted."""
    if subscription.folder and subscription.folder != event.folder:
        return []
    message = store.messages.get(event.number)
    if message is not None and not subscription.keeps(view.facts(store, message)):
        return []
    if event.kind == "add":
        return ["created", "updated"] if store.switches.on("graph.created_updated") else ["created"]
    if event.kind == "purge":
        return ["deleted"]
    if event.kind == "remove":
        # A whole mailbox loses nothing by a move when ids stay.
        return [] if not subscription.folder and subscription.immutable else ["deleted"]
    return ["updated"]

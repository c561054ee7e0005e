"""Subscriptions: one for each followed folder and Sent Items, each with a secret of its own."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from crm.model import Folder, WatchState
from crm.times import utc
from providers.client import ProviderError, Retry
from providers.graph.errors import About, Exists, NotThere
from providers.graph.requests import Requests
from providers.graph.transport import Json, Transport

# Graph refuses more than 10,080 minutes by its own clock, even by seconds.
LIFE = timedelta(minutes=10_000)
# A move into a folder is "created" there. Sent mail may get its category later: "updated".
CHANGES = {"sent": "created,updated"}


class Watches:
    """Makes, renews and ends the subscriptions of one mailbox."""

    def __init__(
        self,
        transport: Transport,
        requests: Requests,
        public_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._transport = transport
        self._requests = requests
        self._url = f"{public_url}/webhooks/graph"
        self._clock = clock

    def watch(self, folders: Sequence[Folder], have: Sequence[WatchState]) -> list[WatchState]:
        """One subscription for each of `folders` but junk; what else is in `have` is ended.

        Graph asks `public_url` for a proof while a subscription is made, so the web process must
        be answering. A folder that vanished meanwhile is left out. Making one comes last: it alone
        needs room in the mailbox's quota. An error ends the work; its `have` says what there is.
        """
        wanted = {folder.id: folder for folder in folders if folder.reason != "junk"}
        held = {
            each.resource: each for each in have if each.provider_id and each.resource in wanted
        }
        there = dict(held)
        try:
            for state in held.values():
                self._keep(there, state.resource, self._renew(state))
            ids = {state.provider_id for state in held.values()}
            self.unwatch([state for state in have if state.provider_id not in ids])
            for folder in wanted.values():
                if folder.id not in there:
                    self._keep(there, folder.id, self._create(folder))
        except ProviderError as error:
            error.have = [there[folder] for folder in wanted if folder in there]
            raise
        return [there[folder] for folder in wanted if folder in there]

    @staticmethod
    def _keep(there: dict[str, WatchState], folder: str, state: WatchState | None) -> None:
        there.pop(folder, None)
        if state is not None:
            there[folder] = state

    def unwatch(self, have: Sequence[WatchState]) -> None:
        for state in have:
            if state.provider_id:
                self._delete(state.provider_id)

    def _renew(self, held: WatchState) -> WatchState | None:
        """`held` with a later end, which also re-authorises it; None where it is gone."""
        info = self._requests.renew(held.provider_id, self._until())
        try:
            answer = self._transport.ask(info, About.SUBSCRIPTION)
        except NotThere:
            return None
        return WatchState(held.resource, held.provider_id, _expiry(answer))

    def _create(self, folder: Folder) -> WatchState | None:
        """A new one; None where the folder is gone."""
        try:
            return self._post(folder)
        except NotThere:
            return None
        except Exists:
            # Its clientState is unknown, so what it sends could not be told from a forgery.
            self._delete_twins(folder)
        try:
            return self._post(folder)
        except NotThere:
            return None
        except Exists:
            raise Retry(None, "the subscription that was ended is still there") from None

    def _post(self, folder: Folder) -> WatchState:
        secret = secrets.token_urlsafe(32)
        body = {
            "changeType": CHANGES.get(folder.reason, "created"),
            "resource": _resource(folder.id),
            "notificationUrl": self._url,
            "lifecycleNotificationUrl": self._url,
            "expirationDateTime": self._until(),
            "clientState": secret,
        }
        answer = self._transport.ask(self._requests.subscribe(body), About.SUBSCRIPTION)
        return WatchState(folder.id, answer["id"], _expiry(answer), secret)

    def _delete_twins(self, folder: Folder) -> None:
        for one in self._transport.all_values(self._requests.subscriptions(), About.MAILBOX):
            # Graph may write the resource with users/… and another case around the folder's id.
            if f"'{folder.id}'" in (one.get("resource") or ""):
                self._delete(one["id"])

    def _delete(self, subscription: str) -> None:
        try:
            self._transport.ask(self._requests.unsubscribe(subscription), About.SUBSCRIPTION)
        except NotThere:
            return

    def _until(self) -> str:
        return f"{utc(self._clock()) + LIFE:%Y-%m-%dT%H:%M:%SZ}"


def _resource(folder: str) -> str:
    return f"me/mailFolders('{folder}')/messages"


def _expiry(answer: Json) -> datetime:
    return utc(datetime.fromisoformat(answer["expirationDateTime"]))

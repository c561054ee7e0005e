"""Switches of the pretend Microsoft: what is unverified about the real one, or differs by tenant.

Each is set for the whole world by the control API, or for one mailbox by `Mailbox.switches`
(`sandbox.microsoft.people`). Seconds are floats; "" and 0 mean off.
"""

from sandbox.world import World

SWITCHES: dict[str, object] = {
    # Entra ID
    "entra.error": "",  # an AADSTS number ("50173") or "temporarily_unavailable": refuse tokens so
    "entra.second_factor": False,  # AADSTS50076 with claims, until a sign-in brings the claims back
    "entra.admin_consent": False,  # people cannot consent by themselves
    "entra.rotation_ends_old": False,  # using a refresh token ends it
    "entra.token_seconds": 3600.0,  # how long access tokens live; randomly up to a fifth longer
    "entra.consent_ends_tokens": False,  # taking consent away ends access tokens at once
    # requests
    "graph.latency": 0.0,  # seconds each request takes
    "graph.concurrency": 4,  # requests at one time per app and mailbox
    "graph.requests_per_10_minutes": 10_000,
    "graph.retry_after": "seconds",  # of a 429: "seconds", "zero" or "missing"
    "graph.claims_challenge": False,  # 401 insufficient_claims until a token is got with claims
    "graph.mailbox_disabled": False,  # on-premises or blocked: MailboxNotEnabledForRESTAPI
    "graph.mailbox_error": "",  # any other code with which all about the mailbox is refused
    "graph.mailbox_status": 404,  # and its status
    # messages
    "graph.get_lag": 0.0,  # seconds during which a new message is not found by its id
    "graph.conversation_by_subject": True,  # unrelated mail of one subject shares conversationId
    "graph.send_through_outbox": True,  # one send shows up in Outbox first
    "graph.rule_inbox_first": 0.0,  # seconds a message lies in Inbox before its rule moves it
    "graph.rule_folder_alias": True,  # rules name folders by another id than mailFolders does
    "graph.dynamic_delivery": 0.0,  # seconds until placeholders become the real attachments
    "graph.placeholder_name": "Safe Attachments Scan In Progress",
    # delta
    "graph.delta_headers": True,  # internetMessageHeaders can be selected
    "graph.delta_empty_page": False,  # an empty page with a nextLink comes first
    "graph.delta_replays": False,  # a round repeats the items of the round before
    "graph.delta_loses_return": True,  # immutable ids: A -> B -> A is only "removed"
    "graph.delta_filter_hides_moved": True,  # older mail moved in never shows under a filter
    "graph.delta_expired_code": "syncStateNotFound",  # or "resyncRequired"
    "graph.delta_expired_status": 410,
    # subscriptions and notifications
    "graph.subscription_quota": 1000,
    "graph.odd_case": True,  # letter case of `resource` varies
    "graph.organization_id": False,  # organizationId in place of tenantId
    "graph.created_updated": True,  # Exchange touches arriving mail: an "updated" follows
    "graph.notification_latency": 0.0,
    "graph.notification_batch": 0.0,  # seconds in which items for one URL are gathered
    "graph.time_scale": 1.0,  # factor on waits: retries, the slow delay, the 10-minute window
    "graph.endpoint_states": True,  # slow answers put a host into the slow or drop state
}


def declare(world: World) -> None:
    """Make all switches known to the control API."""
    for name, default in SWITCHES.items():
        world.switch(name, default)


class Switches:
    """The switches of one mailbox: its own where set, else the world's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._own: dict[str, object] = {}

    def set(self, name: str, value: object) -> None:
        """Set one for this mailbox; None takes it back to the world's. Raises ValueError."""
        if name not in SWITCHES:
            raise ValueError(f"no switch {name}")
        if value is None:
            self._own.pop(name, None)
        else:
            self._own[name] = value

    def _value(self, name: str) -> object:
        default = SWITCHES[name]
        return self._own.get(name, self._world.switches.get(name, default))

    def on(self, name: str) -> bool:
        return bool(self._value(name))

    def number(self, name: str) -> float:
        value = self._value(name)
        return float(value) if isinstance(value, (int, float, str)) else 0.0

    def text(self, name: str) -> str:
        return str(self._value(name) or "")

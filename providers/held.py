"""An access token in hand, for a mailbox that is not stored yet."""

from providers import causes
from providers.client import Reconnect


class HeldToken:
    """A `TokenSource` over what a consent has just given."""

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token

    def token(self, fresh: bool = False, claims: str = "") -> str:
        if fresh:  # refused although new: nothing to renew it with is stored yet
            raise Reconnect(causes.REFUSED, claims=claims)
        return self._access_token

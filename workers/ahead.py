"""Whole messages of what is to be logged, read together instead of one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from crm.model import Headers, Message, Ref
from crm.rules.decide import decide
from crm.store.settle import Contexts
from providers.client import CursorExpired, Limited, MailClient, Operator, Reconnect


@dataclass
class Ahead:
    """What was read before its turn. A failure is told when it is a message's turn, as if it had
    been asked for only then."""

    client: MailClient
    read: dict[Ref, Message | Exception] = field(default_factory=dict)

    def look(self, headers: Sequence[Headers], contexts: Contexts, but: dict[str, int]) -> None:
        """Read those of `headers` that are to be logged and not in `but` (by provider id): up to the
        first that answers one of them, since it may be decided otherwise once that is committed."""
        wanted: list[Ref] = []
        logging: set[str] = set()
        for each in headers:
            if logging.intersection(each.answers):
                break
            if each.ref.id not in but and _to_be_logged(each, contexts):
                wanted.append(each.ref)
                logging.add(each.message_id)
        self.read = {}
        if len(wanted) > 1:
            self.read = self._together(wanted)

    def whole(self, ref: Ref) -> Message:
        """The whole message. Raises what `MailClient.message` does."""
        found = self.read.pop(ref, None) or self.client.message(ref)
        if isinstance(found, Exception):
            raise found
        return found

    def _together(self, refs: Sequence[Ref]) -> dict[Ref, Message | Exception]:
        try:
            return dict(zip(refs, self.client.messages(refs), strict=True))
        except (Limited, Reconnect, Operator, CursorExpired):
            raise
        except Exception:  # noqa: BLE001 - then each is asked for by itself, and its failure told
            return {}


def _to_be_logged(headers: Headers, contexts: Contexts) -> bool:
    try:
        return decide(headers, contexts.of(headers)).logged
    except Exception:  # noqa: BLE001 - told when it is this message's turn
        return False

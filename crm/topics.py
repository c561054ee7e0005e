"""What programs outside can be told of, and when they are told again. Pure."""

from datetime import timedelta
from enum import StrEnum

TOPICS: dict[str, str] = {
    "email.logged": "An e-mail stands on a timeline.",
    "email.withdrawn": "An e-mail was taken off all timelines: the rules do not let it in after all.",
    "email.joined": "Two logged e-mails turned out to be one; the other id stays.",
    "email.refused": "A message was not logged; the event says by which rule, and nothing of it.",
    "contact.created": "A contact was made: by hand, by an import, by a program or by mail.",
    "sequence.ended": "A contact answered, and is no longer in a sequence.",
    "mailbox.connected": "A mailbox was connected, for the first time or again.",
    "mailbox.reconnect": "A mailbox waits for a person to connect it again; the cause says why.",
    "webhook.paused": "Another endpoint failed for days, or said it is gone, and is told no more.",
}
REFUSED = "email.refused"  # the only one that is not even written where nobody asked for it
TEST = "webhook.test"  # sent to one endpoint on demand, whatever its topics
PAUSED = "webhook.paused"


class State(StrEnum):
    """Whether an endpoint is told anything."""

    ACTIVE = "active"
    PAUSED = "paused"  # by a person: events wait
    FAILING = "failing"  # for days: paused, events wait
    GONE = "gone"  # it answered 410: nothing more is kept for it


# When an event is tried again after its first try: what Standard Webhooks suggests.
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.2  # a fifth more or less, so that what failed together is not tried together
_PAUSES = (5, 30, 120, 600)  # seconds for which a failing endpoint is let be as a whole


def again_after(attempts: int, chance: float) -> timedelta | None:
    """How long after its failed try number `attempts` an event is tried again; None: it is dead.
    `chance` from 0 to 1."""
    if attempts > len(SCHEDULE):
        return None
    return SCHEDULE[max(attempts, 1) - 1] * (1 + JITTER * (2 * chance - 1))


def pause_after(failures: int) -> timedelta:
    """How long an endpoint is let be after so many failures in a row."""
    return timedelta(seconds=_PAUSES[min(failures, len(_PAUSES)) - 1])

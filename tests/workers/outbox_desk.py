"""What tests of the outbox do: add endpoints, tell events, deliver what is due, look."""

from crm.store import deliveries, endpoints, outbox
from crm.topics import TOPICS
from tests.workers.receivers import URL
from workers.outbox import Post

ALL = tuple(TOPICS)


def endpoint(office, *topics, url=URL):
    with office.database.begin() as conn:
        return endpoints.add(
            conn, office.account_id, url, topics or ALL, office.secrets, office.clock
        )


def tell(office, key="t:1", topic="sequence.ended", **payload):
    with office.database.begin() as conn:
        outbox.tell(conn, office.account_id, topic, key, payload, office.clock)


def deliver(office, running):
    """All that is due at this moment."""
    Post(running, office.stopping).once()


def of(office, endpoint_id):
    with office.database.read() as conn:
        return endpoints.one(conn, office.account_id, endpoint_id)


def delivered(office, endpoint_id, **which):
    with office.database.read() as conn:
        return deliveries.listing(conn, office.account_id, endpoint_id, 50, **which).items


def pass_time(office, running, step, times):
    for _ in range(times):
        office.clock += step
        deliver(office, running)

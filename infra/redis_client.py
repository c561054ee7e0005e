"""Redis clients for the two ways to wait: hardly at all (web), or until it is back (workers)."""

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from infra.settings import Settings

WEB_TIMEOUT = 0.3  # seconds; the caller repeats its request, so a quick 503 beats a slow one
WORKER_TIMEOUT = 10.0  # seconds, more than any blocking command that is not told its own time
WORKER_RETRIES = 6  # about 20 s with the pauses below
WORKER_PAUSES = ExponentialWithJitterBackoff(base=0.2, cap=8)  # seconds


def web_client(settings: Settings) -> Redis:
    """For web and webhooks: gives up after 0.3 s and never repeats a command."""
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=WEB_TIMEOUT,
        socket_connect_timeout=WEB_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )


def worker_client(settings: Settings) -> Redis:
    """For workers and the timetable: repeats with growing pauses while Redis is away."""
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=WORKER_TIMEOUT,
        socket_connect_timeout=WORKER_TIMEOUT,
        retry=Retry(WORKER_PAUSES, WORKER_RETRIES),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        health_check_interval=30,
    )


def alive(client: Redis) -> bool:
    """Whether Redis answers a PING, within the client's own patience."""
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False

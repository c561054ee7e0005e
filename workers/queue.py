"""The bell: which mailboxes are awake, and the RQ job that takes them.

A wake is one round trip and atomic: the mailbox is put into the set of awake mailboxes unless it is
there already, and only then a drain job is queued. A worker claims an awake mailbox, takes its
lease in the database, and clears it from the set *before* it asks the provider what changed: a ring
that comes later makes exactly one more run. A claim hides the mailbox for CLAIM_SECONDS, after
which a worker that was killed with it in hand is forgotten.

Redis also keeps the directory by which a push is understood without the database. All of it may be
lost: the timetable rings what is due, and the directory is rebuilt from the database.
"""

import json
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Retry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now as rq_now
from rq.utils import utcformat

QUEUE_NAME = "replylog"
DRAIN = "workers.drain.drain"
MAX_QUEUED_DRAINS = 16  # more would find nothing left to do
CLAIM_SECONDS = 45
JOB_TIMEOUT = 120
DIRECTORY_SECONDS = 24 * 3600
UNKNOWN_SECONDS = 10  # so that a push just before we stored its watch is soon understood

_TIMES = {"created_at", "enqueued_at"}

AWAKE = "replylog:awake"
CHECKS = "replylog:checks"
EVENT_SECONDS = 7 * 24 * 3600  # how long a security event's id is remembered
ASKED = "replylog:asked"  # "mailbox:reason", by when it was asked
_PUSHED = "replylog:pushed:"  # and a mailbox: by resource, when a push came; see `workers.silence`
_PUSHED_SECONDS = 30 * 24 * 3600


class Ask(StrEnum):
    """Why a mailbox's watches and followed folders are to be looked at before they are due."""

    PERSON = "person"
    REAUTHORIZE = "reauthorize"  # Graph delivers nothing until its subscriptions are renewed
    REMOVED = "removed"  # a subscription is gone
    STRANGER = "stranger"  # mail was met in a folder that is not followed; watches are left alone


_ENQUEUE = """
local function enqueue(queue, queues, job, job_id, fields, stamp)
  redis.call('SADD', queues, queue)
  redis.call('HSET', job, 'created_at', stamp, 'enqueued_at', stamp, unpack(cjson.decode(fields)))
  redis.call('RPUSH', queue, job_id)
end
"""
# KEYS: awake, queue, queues, job, then where the pushes of a mailbox are noted, one for each push;
# ARGV: now, job id, the job's fields, its time, most queued, then the resource of each push, then
# the mailboxes. A mark from far ahead is of a clock that was put back since: it counts for none.
_WAKE = (
    _ENQUEUE
    + """
local added, pushes = 0, #KEYS - 4
for i = 1, pushes do redis.call('HSET', KEYS[4 + i], ARGV[5 + i], ARGV[1]) end
for i = 6 + pushes, #ARGV do
  local held = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if not held or tonumber(held) > ARGV[1] + BEYOND then
    redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i])
    added = added + 1
  end
end
if added > 0 and redis.call('LLEN', KEYS[2]) < tonumber(ARGV[5]) then
  enqueue(KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3], ARGV[4])
end
return added
""".replace("BEYOND", str(2 * CLAIM_SECONDS))
)
# KEYS: awake; ARGV: now, hidden until.
_CLAIM = """
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)
if not found[1] then return false end
redis.call('ZADD', KEYS[1], 'XX', ARGV[2], found[1])
return found[1]
"""
# KEYS: awake, queue, queues, job; ARGV: before, job id, the job's fields, its time.
_NUDGE = (
    _ENQUEUE
    + """
if redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[1]) == 0 then return 0 end
if redis.call('LLEN', KEYS[2]) > 0 then return 0 end
enqueue(KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3], ARGV[4])
return 1
"""
)


class QueueDown(Exception):
    """Redis did not answer: nothing was queued. A web process says 503."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the web side knows of a Graph subscription."""

    mailbox_id: int
    secret_digest: str  # SHA-256, hex, of its clientState
    resource: str = ""  # the folder it is for


class Queue:
    """Rings mailboxes and keeps the directory. One object a process; thread-safe.

    Every method raises QueueDown when Redis does not answer.
    """

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock
        self._wake = redis.register_script(_WAKE)
        self._claim = redis.register_script(_CLAIM)
        self._nudge = redis.register_script(_NUDGE)
        self._fields = _drain_job_fields(redis)

    def wake(self, *mailbox_ids: int) -> int:
        """Ring mailboxes; how many were not awake already. One round trip."""
        return self._rung(mailbox_ids, ())

    def announce(self, pushes: Collection[tuple[int, str]]) -> int:
        """Ring the mailboxes of `pushes` (mailbox, resource) and note that a push came for each, in
        the same round trip."""
        return self._rung(sorted({mailbox_id for mailbox_id, _ in pushes}), pushes)

    def _rung(self, mailbox_ids: Sequence[int], pushes: Collection[tuple[int, str]]) -> int:
        job_id = str(uuid.uuid4())
        job = [job_id, self._fields, utcformat(rq_now())]
        keys = [*_keys(job_id), *(f"{_PUSHED}{mailbox_id}" for mailbox_id, _ in pushes)]
        resources = (resource for _, resource in pushes)
        args = [self._clock(), *job, MAX_QUEUED_DRAINS, *resources, *mailbox_ids]
        return int(self._ask(self._wake, keys=keys, args=args))

    def nudge(self) -> bool:
        """Queue a drain job where mailboxes are awake and none is queued: a job was lost."""
        job_id = str(uuid.uuid4())
        args = [self._clock(), job_id, self._fields, utcformat(rq_now())]
        return bool(self._ask(self._nudge, keys=_keys(job_id), args=args))

    def claim(self) -> int | None:
        """The mailbox that has been awake longest, hidden from others for CLAIM_SECONDS."""
        found = self._ask(
            self._claim, keys=[AWAKE], args=[self._clock(), self._clock() + CLAIM_SECONDS]
        )
        return None if found is None else int(found)

    def done(self, mailbox_id: int) -> None:
        """Clear the mark; from here on a ring means one more run."""
        self._ask(self._redis.zrem, AWAKE, mailbox_id)

    def awake(self) -> int:
        """How many mailboxes are awake, claimed ones included."""
        return int(self._ask(self._redis.zcard, AWAKE))

    def rewatch(self, mailbox_id: int, why: Ask = Ask.PERSON) -> None:
        """Ring a mailbox, and have its watches and followed folders looked at in that run."""
        self.keep_rewatch(mailbox_id, {why: datetime.fromtimestamp(self._clock(), UTC)})
        self.wake(mailbox_id)

    def keep_rewatch(self, mailbox_id: int, asked: Mapping[Ask, datetime]) -> None:
        """As `rewatch`, without ringing: the next run that looks at watches finds it."""
        members = {f"{mailbox_id}:{why}": when.timestamp() for why, when in asked.items()}
        self._ask(self._redis.zadd, ASKED, members, nx=True)

    def take_rewatch(self, mailbox_id: int) -> dict[Ask, datetime]:
        """Why `rewatch` was asked for since the last call, and when first; {} where it was not."""
        members = [f"{mailbox_id}:{why}" for why in Ask]
        with self._redis.pipeline() as pipe:
            pipe.zmscore(ASKED, members)
            pipe.zrem(ASKED, *members)
            found, _ = self._ask(pipe.execute)
        return {
            why: datetime.fromtimestamp(when, UTC)
            for why, when in zip(Ask, found, strict=True)
            if when is not None
        }

    def strayed(self, mailbox_id: int, seconds: float) -> bool:
        """False where it was said of the mailbox within `seconds` before."""
        key = f"replylog:strayed:{mailbox_id}"
        return bool(self._ask(self._redis.set, key, 1, ex=int(seconds), nx=True))

    def pushed(self, mailbox_id: int, resources: Sequence[str]) -> dict[str, datetime]:
        """When the last push came for each of `resources`, or from when on one would be known of;
        absent where Redis cannot say. One round trip."""
        found = self._ask(self._redis.hmget, f"{_PUSHED}{mailbox_id}", list(resources))
        return {
            resource: datetime.fromtimestamp(float(when), UTC)
            for resource, when in zip(resources, found, strict=True)
            if when is not None
        }

    def expect(self, mailbox_id: int, made: Iterable[str], kept: Iterable[str] = ()) -> None:
        """From now on a push for these would be known of: `made` anew, or `kept`."""
        key, now = f"{_PUSHED}{mailbox_id}", self._clock()
        with self._redis.pipeline() as pipe:
            for resource in made:
                pipe.hset(key, resource, now)
            for resource in kept:
                pipe.hsetnx(key, resource, now)
            pipe.expire(key, _PUSHED_SECONDS)
            self._ask(pipe.execute)

    def check_consent(self, mailbox_id: int, event: str) -> None:
        """Ring a mailbox, and have its provider asked in that run whether its consent still holds,
        because `event` was told of it."""
        self.keep_check(mailbox_id, event)
        self.wake(mailbox_id)

    def keep_check(self, mailbox_id: int, event: str) -> None:
        """As `check_consent`, without ringing."""
        self._ask(self._redis.hset, CHECKS, str(mailbox_id), event)

    def take_check(self, mailbox_id: int) -> str:
        """The event that `check_consent` was last asked with since the last call; "" for none."""
        field = str(mailbox_id)
        found = self._ask(self._redis.hget, CHECKS, field)
        if found is None:
            return ""
        self._ask(self._redis.hdel, CHECKS, field)
        return str(found, "utf-8")

    def event_was_seen(self, event_id: str) -> bool:
        return bool(self._ask(self._redis.exists, f"replylog:event:{event_id}"))

    def remember_event(self, event_id: str) -> None:
        self._ask(self._redis.set, f"replylog:event:{event_id}", 1, ex=EVENT_SECONDS)

    def google_account(self, mark: str) -> tuple[int, ...] | None:
        """The mailboxes with a mark of `infra.marks`; () for none, None when Redis does not know."""
        found = self._ask(self._redis.get, f"replylog:google:{mark}")
        return None if found is None else tuple(json.loads(found))

    def remember_google_account(self, mark: str, mailbox_ids: Iterable[int]) -> None:
        # Not for long: nobody takes it back when the mailbox is connected with another account.
        known = json.dumps(list(mailbox_ids))
        self._ask(self._redis.set, f"replylog:google:{mark}", known, ex=UNKNOWN_SECONDS)

    def gmail_mailboxes(self, address: str) -> tuple[int, ...] | None:
        """The mailboxes of a Gmail address; () when there is none, None when Redis does not know."""
        found = self._ask(self._redis.get, f"replylog:gmail:{address}")
        return None if found is None else tuple(json.loads(found))

    def remember_gmail(self, address: str, mailbox_ids: Iterable[int]) -> None:
        ids = list(mailbox_ids)
        seconds = DIRECTORY_SECONDS if ids else UNKNOWN_SECONDS
        self._ask(self._redis.set, f"replylog:gmail:{address}", json.dumps(ids), ex=seconds)

    def subscriptions(self, ids: Iterable[str]) -> dict[str, Subscription | None]:
        """What Redis knows of `ids`: None for one that does not exist, absent when it cannot say."""
        names = list(ids)
        keys = [f"replylog:subscription:{name}" for name in names]
        found = self._ask(self._redis.mget, keys) if keys else []
        return {
            name: _subscription(value)
            for name, value in zip(names, found, strict=True)
            if value is not None
        }

    def remember_subscription(self, id: str, known: Subscription | None) -> None:
        value = json.dumps(astuple(known) if known else None)
        seconds = DIRECTORY_SECONDS if known else UNKNOWN_SECONDS
        self._ask(self._redis.set, f"replylog:subscription:{id}", value, ex=seconds)

    def jobs(self) -> int:
        """How many drain jobs wait for a worker."""
        return int(self._ask(self._redis.llen, f"rq:queue:{QUEUE_NAME}"))

    def workers(self) -> int:
        """How many workers are alive: one that was killed is in RQ's set, but its own key ends."""
        names = [name for name in self._ask(self._redis.smembers, "rq:workers") if name]
        return int(self._ask(self._redis.exists, *names)) if names else 0

    def memory(self) -> int:
        """Bytes that Redis holds."""
        return int(self._ask(self._redis.info, "memory")["used_memory"])

    def ping(self) -> None:
        self._ask(self._redis.ping)

    def _ask(self, command: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except RedisError as error:
            raise QueueDown(type(error).__name__) from error


def _keys(job_id: str) -> list[str]:
    return [AWAKE, f"rq:queue:{QUEUE_NAME}", "rq:queues", f"rq:job:{job_id}"]


def _subscription(value: bytes) -> Subscription | None:
    known = json.loads(value)
    parts = len(fields(Subscription))  # newer code beside this one may have stored more
    return Subscription(*known[:parts]) if known else None


def _drain_job_fields(redis: Redis) -> str:
    """RQ's own fields of a drain job but its times, as one JSON list of names and values: building
    a job takes longer than queueing it, and so does packing every field into every wake.

    The description names no mailbox, for RQ logs and stores it. A Retry is what lets RQ run a job
    again whose worker died.
    """
    job = Job.create(
        DRAIN,
        connection=redis,
        serializer=JSONSerializer,
        description="take awake mailboxes",
        timeout=JOB_TIMEOUT,
        result_ttl=10,
        failure_ttl=24 * 3600,
        origin=QUEUE_NAME,
        retry=Retry(max=3),
        status=JobStatus.QUEUED,
    )
    fields = {**job.to_dict(), "data": job.data}  # not compressed: RQ reads it either way
    encoder: Any = redis.get_encoder()  # as HSET has it
    parts = [part for name in fields.keys() - _TIMES for part in (name, fields[name])]
    return json.dumps([encoder.encode(part).decode() for part in parts])

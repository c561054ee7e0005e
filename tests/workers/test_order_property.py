"""Any conversation, delivered in any order with repetitions and delays, ends as `oracle` says.

What is compared with it is a real run for each push. `make test` plays some conversations, always the
same; `pytest --hypothesis-profile=long tests/workers/test_order_property.py` as many as one has
patience for, and new ones.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from infra.secrets import Secrets
from providers.graph import loop
from tests.sandbox_process import Sandbox
from tests.workers import stage
from tests.workers.conftest import Disk, Office
from tests.workers.live import LiveOffice, LivePost
from tests.workers.oracle import oracle
from tests.workers.stage import MemoryPost, Stage
from tests.workers.stories import Story, stories
from workers.queue import Queue

# As many as a profile asks for, but each takes a quarter of a second: fewer than for other tests.
EXAMPLES = settings.default.max_examples if settings.default.max_examples > 100 else 40

# What Microsoft's listings may do or not: repeat themselves, begin empty, tell header fields.
MOODS = dict.fromkeys(
    ("graph.delta_replays", "graph.delta_empty_page", "graph.delta_headers"), st.booleans()
)
Moods = dict[str, bool]
# These are long, so that a few have much in them; each takes two seconds.
LIVE_EXAMPLES = settings.default.max_examples if settings.default.max_examples > 100 else 5


@pytest.fixture
def stages(disk: Disk, redis: Any, secrets: Secrets, now: datetime) -> Callable[[Story], Stage]:
    """Makes stages for stories; each clears away the one before."""

    def make(story: Story) -> Stage:
        disk.restore()
        redis.flushall()
        office = Office(disk.database, Queue(redis), secrets, now)
        return Stage(office, MemoryPost(office), story)

    return make


@pytest.fixture
def live_stages(
    disk: Disk, redis: Any, secrets: Secrets, sandbox: Sandbox
) -> Iterator[Callable[[Story, Moods], Stage]]:
    """The same, with one mailbox at the pretend Google and two at the pretend Microsoft, which is in
    some moods of `MOODS`."""

    def make(story: Story, moods: Moods) -> Stage:
        disk.restore()
        redis.flushall()
        now = datetime.now(UTC).replace(microsecond=0)
        office = LiveOffice(disk.database, Queue(redis), secrets, now, sandbox)
        return Stage(office, LivePost(sandbox, office, moods), story)

    yield make
    loop.shutdown()


def holds(make: Callable[[], Stage], data: st.DataObject, story: Story) -> None:
    """Play a story in an order of the data's, and compare."""
    order = data.draw(st.permutations(story.events), label="order")
    pushed = data.draw(
        st.lists(st.sampled_from(stage.PUSHES), min_size=len(order), max_size=len(order)),
        label="pushes",
    )
    played = make()
    played.play(list(zip(order, pushed, strict=True)))
    entries, rules = oracle(story.world(), story.copies(played.began))
    assert played.entries() == entries
    assert played.journal() == rules
    assert played.office.pending() == []


@settings(max_examples=EXAMPLES)
@given(data=st.data(), story=stories())
def test_a_story_in_any_order_ends_as_if_all_had_been_seen_at_once(
    stages: Callable[[Story], Stage], data: st.DataObject, story: Story
) -> None:
    holds(lambda: stages(story), data, story)


# Looking for a smaller example of a failure would take longer than to understand it.
@settings(max_examples=LIVE_EXAMPLES, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data(), story=stories(least=5), moods=st.fixed_dictionaries(MOODS))
def test_a_story_in_mailboxes_of_both_providers_ends_so_too(
    live_stages: Callable[[Story, Moods], Stage], data: st.DataObject, story: Story, moods: Moods
) -> None:
    holds(lambda: live_stages(story, moods), data, story)

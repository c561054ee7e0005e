"""Any conversation, delivered in any order with repetitions and delays, ends as `oracle` says.

What is compared with it is a real run for each push. `make test` plays some conversations, always the
same; `pytest --hypothesis-profile=long tests/workers/test_order_property.py` as many as one has
patience for, and new ones.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.secrets import Secrets
from tests.workers import stage
from tests.workers.conftest import Disk
from tests.workers.oracle import oracle
from tests.workers.stage import Stage
from tests.workers.stories import Story, stories
from workers.queue import Queue

# As many as a profile asks for, but each takes a quarter of a second: fewer than for other tests.
EXAMPLES = settings.default.max_examples if settings.default.max_examples > 100 else 40


@pytest.fixture
def stages(disk: Disk, redis: Any, secrets: Secrets, now: datetime) -> Callable[[Story], Stage]:
    """Makes stages for stories; each clears away the one before."""

    def make(story: Story) -> Stage:
        disk.restore()
        redis.flushall()
        return Stage(disk.database, Queue(redis), secrets, now, story)

    return make


@settings(max_examples=EXAMPLES)
@given(data=st.data(), story=stories())
def test_a_story_in_any_order_ends_as_if_all_had_been_seen_at_once(
    stages: Callable[[Story], Stage], data: st.DataObject, story: Story
) -> None:
    order = data.draw(st.permutations(story.events), label="order")
    pushed = data.draw(
        st.lists(st.sampled_from(stage.PUSHES), min_size=len(order), max_size=len(order)),
        label="pushes",
    )
    played = stages(story)
    played.play(list(zip(order, pushed, strict=True)))
    entries, rules = oracle(story.world(), story.copies(played.began))
    assert played.entries() == entries
    assert played.journal() == rules
    assert played.office.pending() == []

"""Any conversation, delivered in any order with repetitions and delays, ends as `oracle` says.

What is compared with it is a real run for each push. `make test` plays some conversations, always the
same; `pytest --hypothesis-profile=long tests/workers/test_order_property.py` as many as one has
patience for, and new ones.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.database import Database
from infra.secrets import Secrets
from tests.workers import stage
from tests.workers.oracle import oracle
from tests.workers.stage import Stage
from tests.workers.stories import Story, stories
from workers.queue import Queue

# As many as a profile asks for, but each takes a quarter of a second: fewer than for other tests.
EXAMPLES = settings.default.max_examples if settings.default.max_examples > 100 else 40


@pytest.fixture
def stages(
    _sqlite_template: Path, tmp_path: Path, redis: Any, secrets: Secrets, now: Any
) -> Iterator[Callable[[Story], Stage]]:
    """Makes stages for stories, each on a fresh database."""
    path = tmp_path / "stage.sqlite3"
    opened: list[Database] = []

    def make(story: Story) -> Stage:
        for database in opened:
            database.close()
        opened.clear()
        for old in tmp_path.glob("stage.sqlite3*"):
            old.unlink()
        shutil.copyfile(_sqlite_template, path)
        redis.flushall()
        opened.append(Database(f"sqlite:///{path}"))
        return Stage(opened[0], Queue(redis), secrets, now, story)

    yield make
    for database in opened:
        database.close()


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

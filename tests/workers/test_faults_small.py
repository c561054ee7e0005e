"""A small run of faults for each provider, as `make faults` does large ones."""

from pathlib import Path

import pytest

from tests.faults.run import Plan, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(150)]


@pytest.mark.parametrize("provider", ["gmail", "graph"])
def test_nothing_is_lost_and_nothing_is_twice_whatever_dies(provider: str, tmp_path: Path):
    plan = Plan(
        provider,
        letters=40,
        terms=3,
        kills=2,
        redis_kills=1,
        parent_kills=0,
        moods=1,
        seconds=8,
        owners=4,
        processes=2,
    )
    outcome = run(plan, tmp_path / "var")

    assert outcome.found is not None
    assert outcome.found.examples == ()
    assert outcome.good, outcome

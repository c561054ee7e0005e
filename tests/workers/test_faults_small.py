"""A small run of faults, as `make faults` does large ones: both providers in one installation."""

from pathlib import Path
from threading import Thread

import pytest

from tests.faults.run import Outcome, Plan, guarded, run
from tests.faults.verdicts import Found

# Left out is what only takes long: it waits for processes that start, or for seconds to pass.
LONG = (
    "no answer for 25 s",
    "SQLite locked for 18 s",
    "two timetables",
    "SIGKILL of the timetable",
    "SIGKILL of the web and webhooks process",
    "certificates' host down, new key",
    "provider's clock 8 s ahead",
    "provider's clock 8 s behind",
    "429 with the time in its text",
    "403 rateLimitExceeded",
    "403 userRateLimitExceeded",
)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_nothing_is_lost_and_nothing_is_twice_whatever_goes_wrong(tmp_path: Path):
    plan = Plan(
        "both",
        letters=40,
        terms=2,
        kills=2,
        redis_kills=1,
        parent_kills=0,
        moods=1,
        seconds=6,
        owners=4,
        processes=2,
        without=LONG,
        hurry=True,
    )
    outcome = run(plan, tmp_path / "var")

    assert outcome.found is not None
    assert outcome.found.examples == ()
    assert outcome.differences == []
    assert len(outcome.kinds) > 50
    assert outcome.good, outcome


ALL_WELL = Found(1, 1, 0, frozenset(), frozenset(), frozenset(), 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_run_is_not_good_where_one_of_its_threads_died():
    outcome = Outcome(Plan("gmail"), found=ALL_WELL)
    assert outcome.good
    with guarded(outcome):
        looking = Thread(target=lambda: 1 / 0)
        looking.start()
        looking.join()
    assert outcome.broken
    assert not outcome.good


def test_a_run_is_not_good_where_no_request_met_a_fault():
    assert not Outcome(Plan("gmail"), found=ALL_WELL, unmet=["503"]).good

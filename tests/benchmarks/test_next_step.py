"""What the benchmark of approvals makes of its samples."""

from benchmarks.approvals import beside_peers
from benchmarks.form import Figure
from benchmarks.next_step import figures

TAKEN = {"begun": [[8.0, 6.0, 9.0], [10.0]], "agent": [[9.0], [11.0]], "run": [[20.0], [30.0]],
         "celery": [[2.0], [5.0]], "dbos": [[16.0], [8.0]]}  # fmt: skip


def test_each_turn_is_compared_with_the_same_turn_of_the_others() -> None:
    found = figures(TAKEN)
    assert found["next_step_begun_p50"] == Figure(8.0, 9.0, 10.0, "ms")
    assert found["next_step_begun_p99"] == Figure(9.0, 9.5, 10.0, "ms")
    assert found["begun_to_celery"] == Figure(2.0, 3.0, 4.0, "times")
    assert found["run_to_dbos"] == Figure(1.25, 2.5, 3.75, "times")
    assert len(found) == 2 * len(TAKEN) + 6


def test_nothing_is_claimed_of_what_was_not_measured() -> None:
    both = beside_peers(figures(TAKEN))
    assert [(claim.value, claim.goal, claim.holds) for claim in both] == [(0.875, 1, True), (3.0, 4, True)]
    alone = beside_peers(figures({name: turns for name, turns in TAKEN.items() if name != "dbos"}))
    assert [claim.goal for claim in alone] == [4]

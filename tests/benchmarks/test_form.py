"""The form of every benchmark's report, and one benchmark run from end to end."""

import json
import subprocess
import sys

import jsonschema
import pytest

from benchmarks.form import (
    Claim,
    Figure,
    Measured,
    Times,
    as_json,
    at_least,
    at_most,
    chunks,
    figure,
    percentile,
    report,
    spread,
    stolen_percent,
)
from console.home.processes import ROOT

NUMBER = {"type": "number", "minimum": 0}
LOAD = {"type": "array", "items": NUMBER, "minItems": 3, "maxItems": 3}


def closed(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


FORM = closed(
    name={"type": "string"},
    machine=closed(
        cores={"type": "integer"}, processor={"type": "string"}, memory_gib=NUMBER, system={"type": "string"},
        kernel={"type": "string"}, python_build={"enum": ["optimised", "plain"]}, loop_ns=NUMBER,
        load_before=LOAD, load_after=LOAD, stolen_percent={"type": ["number", "null"], "minimum": 0, "maximum": 100},
    ),
    date={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT"},
    versions={"type": "object", "additionalProperties": {"type": "string"}},
    runs={"type": "integer", "minimum": 3},
    figures={
        "type": "object",
        "minProperties": 1,
        "additionalProperties": closed(min=NUMBER, median=NUMBER, max=NUMBER, unit={"type": "string"}),
    },
    claims={"type": "array", "items": closed(claim={"type": "string"}, value=NUMBER, goal=NUMBER,
                                             holds={"type": "boolean"})},
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [((100, 10), (300, 60), 25.0), ((0, 0), (8, 1), 12.5), ((5, 1), (5, 1), None), (None, (5, 1), None)],
)
def test_what_the_host_took_is_of_what_was_wanted(
    before: tuple[int, int] | None, after: tuple[int, int], expected: float | None
) -> None:
    assert stolen_percent(before and Times(*before), Times(*after)) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (0.99, 4), (1.0, 4)]
)
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


@pytest.mark.parametrize("length", [3, 7, 8, 9, 100])
def test_chunks_are_in_order_complete_and_of_nearly_equal_length(length: int) -> None:
    parts = chunks([float(n) for n in range(length)], 3)
    assert [value for part in parts for value in part] == list(range(length))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_chunks_of_too_few_values_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values do not make 3 runs"):
        chunks([1, 2], 3)


def test_figure_gives_the_spread_over_the_runs() -> None:
    assert figure([3.0, 1.00049, 2.0], "ms") == Figure(1.0, 2.0, 3.0, "ms")


def test_spread_takes_percentiles_within_each_run() -> None:
    found = spread("sent", [1, 2, 3, 10, 20, 30, 100, 200, 300], 3)
    assert found == {"sent_p50": Figure(2, 20, 200, "ms"), "sent_p99": Figure(3, 30, 300, "ms")}


def test_claim_holds_by_the_median_of_the_runs() -> None:
    assert at_most("idle", Figure(1, 20, 90, "ms"), 20) == Claim("idle ≤ 20 ms", 20, 20, holds=True)
    assert at_most("idle", Figure(1, 20.001, 90, "ms"), 20) == Claim("idle ≤ 20 ms", 20.001, 20, holds=False)


def test_claim_may_also_ask_for_at_least_so_much() -> None:
    assert at_least("share", Figure(0.1, 0.6, 0.9, "times"), 0.6) == Claim("share ≥ 0.6 times", 0.6, 0.6, holds=True)
    assert not at_least("share", Figure(0.1, 0.599, 0.9, "times"), 0.6).holds


def test_report_is_one_json_object_with_all_that_was_measured() -> None:
    figures = {"sent_p50": Figure(1, 2, 3, "ms")}
    measured = Measured(3, figures, [at_most("sent", figures["sent_p50"], 1)])
    written = json.loads(as_json(report("sending", measured, {"cores": 2}, {"python": "3.11"})))
    assert written.pop("date").endswith("+00:00")
    assert written == {
        "name": "sending",
        "machine": {"cores": 2},
        "versions": {"python": "3.11"},
        "runs": 3,
        "figures": {"sent_p50": {"min": 1, "median": 2, "max": 3, "unit": "ms"}},
        "claims": [{"claim": "sent ≤ 1 ms", "value": 2, "goal": 1, "holds": False}],
    }


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_unknown_benchmark_is_refused_with_the_names_of_those_there_are() -> None:
    done = run("no_such")
    assert (done.returncode, done.stdout) == (2, "")
    assert "approve_to_send" in done.stderr


@pytest.mark.long
def test_approve_to_send_prints_one_report_in_the_form() -> None:
    done = run("approve_to_send", "--quick")
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)
    jsonschema.validate(written, FORM)
    assert {"idle_p50", "idle_p99", "busy_p50", "busy_p99", "wake_up_p50", "queries_signoff", "queries_door"} <= (
        written["figures"].keys()
    )
    assert [claim["goal"] for claim in written["claims"]] == [20, 60]


@pytest.mark.long
def test_audit_prints_one_report_in_the_form_with_a_claim_for_each_promise() -> None:
    done = run("audit", "--quick")
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)
    jsonschema.validate(written, FORM)
    assert {"share_8", "beside_chain_8", "act_added", "idle_signed_p99", "busy_signed_p99", "copy", "jsonl", "bundle",
            "range_checked", "bundle_verified", "integrated", "append_100000", "proof_100000", "range_100000"} <= (
        written["figures"].keys()
    )  # fmt: skip
    goals = [0.6, 8, 250, 1_200, 1_200, 250_000, 120_000, 0.6, 0.6, 1.5, 2.5, 1.5]
    assert [claim["goal"] for claim in written["claims"]] == goals

"""Bundles of several megabytes, which are read in parts: no part may be lost, doubled or misnumbered at its edges."""

from pathlib import Path

import pytest

from audit.verify import AT_ONCE, Options, Source, Verification
from tests.audit.bundles import Bundle, Verify, bundle_of, failed, told, verifier
from tests.audit.written import Written

COUNT = 6_000


@pytest.fixture(scope="module")
def log() -> Written:
    log = Written()
    for number in range(COUNT):
        log.write("audit:page:read", f"page {number}", personal={"address": "192.0.2.1"} if number % 500 == 0 else {})
    return log


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    return verifier(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("begin", "end"), [(0, COUNT), (3, COUNT - 1), (255, 4_097)])
def test_a_large_range_is_proven_in_parts(verify: Verify, log: Written, begin: int, end: int, jobs: int) -> None:
    bundle = bundle_of(log, begin, end)
    if end == COUNT:
        assert len(bundle.files["leaves.jsonl"]) > 2 * AT_ONCE
    for size in (begin, begin + 1, 2_048, 3_000):
        done = verify(bundle, since=log.note(size), jobs=jobs)
        assert failed(done) == set()
        assert "lead to its root" in told(done, "history")


def test_a_large_filtered_bundle_is_proven_in_parts(verify: Verify, log: Written) -> None:
    done = verify(bundle_of(log, 1, COUNT - 1, chosen=[*range(5, 4_000), *range(5_000, 5_500, 7)]))
    assert failed(done) == set()
    assert done.proven


@pytest.mark.parametrize("index", [0, 1, 2_047, 2_048, 3_456, COUNT - 1])
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_altered_one_of_many_is_named(verify: Verify, log: Written, index: int, jobs: int) -> None:
    bundle = bundle_of(log, hashes=True)
    leaves = bundle.leaves
    leaves[index] = leaves[index].replace(b'"object":"page', b'"object":"cage')
    bundle.leaves = leaves
    bundle.seal()
    done = verify(bundle, jobs=jobs)
    assert done.first_bad == (index, log.id_of(index))
    assert told(done, "integrity").count("\n") == 0


def test_a_line_without_an_end_is_refused(verify: Verify, log: Written) -> None:
    for data, text in [(b"x" * (3 * AT_ONCE) + b"\n", "is longer than 1,048,576 bytes"), (b"{}\n{}", "is cut off")]:
        bundle: Bundle = bundle_of(log, 0, 2)
        bundle.files["leaves.jsonl"] = data
        done = verify(bundle)
        assert text in told(done, "integrity")
        assert {"completeness", "decisions", "disclosures"} <= failed(done)


def test_memory_does_not_grow_with_the_leaves(log: Written, tmp_path: Path) -> None:
    """Nothing of an ordinary record is kept once its part was read."""
    verification = Verification(Source(bundle_of(log).folder(tmp_path)), Options())
    verification.run()
    kept = [value for value in vars(verification).values() if isinstance(value, list | dict | set)]
    assert max(map(len, kept)) <= len(verification.verdicts)

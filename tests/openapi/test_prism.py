"""What we render from a document, a server made from the same document takes.

The server is Prism, one for each of 200 documents. It is asked twice for each of 25 operations of a document: with the
least arguments, and with all.
"""

import hashlib
import json
import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from console.core.errors import Invalid
from integrations.description import Description
from integrations.importing import described_in
from integrations.openapi.operations import import_document
from integrations.openapi.reading import check_version, read
from integrations.openapi.schemas import follow
from integrations.outbound import NotSent
from integrations.render import render
from tests.openapi.examples import Endless, arguments
from tests.openapi.prism import NotServed, ask, credential_of, prism

pytestmark = pytest.mark.long

DOCUMENTS = 200
OPERATIONS = 25  # of one document
OF_ONE_PROVIDER = 8
OF_EACH_SIZE = 25  # the largest, and the smallest
BROKEN = (  # in which most is missing or is written otherwise than it is meant, and some without an operation
    "httpbin.org.json", "loket.nl.json", "payrun.io.json", "vtex.local/Catalog-API.json", "weatherbit.io.json",
    "firstinspires.org.json", "googleapis.com/youtubeAnalytics.json", "adyen.com/MarketPayNotificationService.json",
)  # fmt: skip
RESULTS = Path("artifacts/prism.jsonl")  # grows while the test runs


class Verdict(NamedTuple):
    is_: Literal["accepted", "refused", "not served", "not asked"]
    why: str = ""


@dataclass
class Outcome:
    name: str
    bytes: int
    refused: str = ""  # the document, by us
    not_served: str = ""  # the document, by Prism
    operations: int = 0
    verdicts: dict[str, Verdict] = field(default_factory=dict)  # by operation
    seconds: float = 0.0  # of ours
    mebibytes: float = 0.0

    def count(self, is_: str) -> int:
        return sum(one.is_ == is_ for one in self.verdicts.values())


def sample(folder: Path) -> list[Path]:
    """The same at each run: the broken ones, the largest, the smallest, and others of many providers."""
    files = sorted(folder.rglob("*.json"))
    by_size = sorted(files, key=lambda one: (one.stat().st_size, one))
    mixed = sorted(files, key=lambda one: hashlib.sha256(str(one.relative_to(folder)).encode()).digest())
    providers: Counter[str] = Counter()
    chosen: dict[Path, None] = {}
    for file in [*(folder / name for name in BROKEN), *by_size[-OF_EACH_SIZE:], *by_size[:OF_EACH_SIZE], *mixed]:
        provider = file.relative_to(folder).parts[0]
        if file not in chosen and providers[provider] < OF_ONE_PROVIDER:
            chosen[file] = None
            providers[provider] += 1
    return [*chosen][:DOCUMENTS]


@pytest.fixture(scope="module")
def outcomes(directory: Path, prism_program: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Each document in a process of its own, two at a time."""
    RESULTS.parent.mkdir(exist_ok=True)
    asked = partial(look, directory, prism_program, tmp_path_factory.mktemp("prism"))
    found = []
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool, RESULTS.open("w") as results:
        for outcome in pool.imap_unordered(asked, sample(directory)):
            found.append(outcome)
            results.write(json.dumps(asdict(outcome)) + "\n")
            results.flush()
    return found


def look(folder: Path, program: Path, logs: Path, file: Path) -> Outcome:
    data, began = file.read_bytes(), time.process_time()
    found = Outcome(str(file.relative_to(folder)), len(data))
    try:
        document = read(data)
        check_version(document)
    except Invalid as reason:
        found.refused = reason.text
        return found
    imported = import_document(document)
    found.operations = imported.report.operations
    if not imported.operations:
        found.refused = "not one operation"
        return found
    described = sorted(described_in(imported), key=lambda one: hashlib.sha256(one.slug.encode()).digest())
    try:
        with prism(program, file, logs / f"{hashlib.sha256(found.name.encode()).hexdigest()}.log") as port:
            for one in described[:OPERATIONS]:
                key = imported.keys[one.slug]
                complete = replace(one, definitions=imported.definitions)
                found.verdicts[key] = judged(complete, key, document, port)
    except NotServed as reason:
        found.not_served = str(reason)
    found.seconds = round(time.process_time() - began, 2)
    found.mebibytes = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return found


def operation_of(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    method, _, path = key.partition(" ")
    found = follow(document, document["paths"][path])[method.lower()]
    assert isinstance(found, Mapping)
    return found


def judged(described: Description, key: str, document: Mapping[str, Any], port: int) -> Verdict:
    if "#" in key or "?" in key:
        return Verdict("not served", "knows no path with a fragment or a query")
    credential = credential_of(document, operation_of(document, key))
    for every in (False, True):
        try:
            given = arguments(described, every=every)
            described.check_arguments(given)
            rendered = render(described, given, base_url=f"http://127.0.0.1:{port}", key="act_1")
            refused = ask(rendered, credential)
        except (Invalid, Endless, NotSent) as reason:
            return Verdict("not asked", str(reason) or "no example of its arguments ends")
        except NotServed as reason:
            return Verdict("not served", str(reason))
        if refused:
            return Verdict("refused", f"{'all' if every else 'least'}: {refused}"[:600])
    return Verdict("accepted")


def test_nearly_all_operations_that_prism_serves_are_accepted(outcomes: list[Outcome]) -> None:
    accepted, refused, unasked = (sum(one.count(is_) for one in outcomes)
                                  for is_ in ("accepted", "refused", "not asked"))  # fmt: skip
    assert accepted >= 0.99 * (accepted + refused + unasked)
    assert accepted > 1_500


def test_the_documents_are_many_and_of_many_providers(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == DOCUMENTS
    assert len({one.name.partition("/")[0] for one in outcomes}) >= 30
    assert {one.refused for one in outcomes} <= {"", "not one operation"}


def test_none_takes_long_or_much(outcomes: list[Outcome]) -> None:
    """Of us. What Prism takes is its own affair."""
    assert max(one.seconds for one in outcomes) < 60
    assert max(one.mebibytes for one in outcomes) < 1024

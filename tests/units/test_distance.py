"""How far an action is from what a person asked for: by the package, without it, and whatever an agent writes."""

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from approvals import distance as measured
from approvals.distance import LONGEST, distance, distance_of
from approvals.models import Action
from integrations.models import Operation

REFUND = "Refund the duplicate charge of order A-1066"
TABLE = re.compile(r"(?m)^\| a person asked for (\|.*\|)\n\|[-|]+\n((?:\| “.*\|\n)+)")


def told() -> Iterator[tuple[str, str, int]]:
    """What the docs say was measured: of each request and each title."""
    [(head, rows)] = TABLE.findall((settings.BASE_DIR / "docs" / "policies.md").read_text())
    titles = head.strip("| ").split(" | ")
    for row in rows.splitlines():
        request, *figures = row.strip("| ").split(" | ")
        yield from ((request.strip("“”"), title, int(figure)) for title, figure in zip(titles, figures, strict=True))


@pytest.fixture
def loaded_anew() -> Iterator[None]:
    measured._meaning.cache_clear()
    yield
    measured._meaning.cache_clear()


def test_what_the_docs_say_is_what_is_measured() -> None:
    figures = list(told())
    assert len(figures) == 42
    assert [(request, title, distance(request, title)) for request, title, _ in figures] == figures


def test_the_same_words_are_nowhere_apart() -> None:
    assert distance("Refund a charge", "Refund a charge") == 0


def test_it_is_the_packages_own_measure() -> None:
    from wordllama import WordLlama

    model = WordLlama.load(cache_dir=Path(sys.modules["wordllama"].__file__ or "").parent, disable_download=True)
    for title in ("Refund a charge", "List charges", "Cancel a subscription"):
        assert distance(REFUND, title) == round(100 * (1 - model.similarity(REFUND, title)))


@pytest.mark.parametrize("nothing", ["", "  \n ", ".?!", "\ud800"])
def test_where_nothing_can_be_read_it_is_not_known(nothing: str) -> None:
    assert distance(nothing, "Refund a charge") is None


def test_only_the_beginning_of_a_long_request_is_looked_at() -> None:
    long = "Attach a policy to a role. " * (LONGEST // 20)
    assert distance(long + REFUND, "Refund a charge") == distance(long, "Refund a charge")


@pytest.mark.usefixtures("loaded_anew")
@pytest.mark.parametrize("package", ["numpy", "safetensors.numpy", "tokenizers", "wordllama"])
def test_without_the_extra_it_is_not_known(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if package == "numpy":
        monkeypatch.delitem(sys.modules, "safetensors.numpy", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    assert distance(REFUND, "Refund a charge") is None


@pytest.mark.usefixtures("loaded_anew")
def test_a_model_that_cannot_be_read_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wordllama").mkdir()
    (tmp_path / "wordllama" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "wordllama", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert distance(REFUND, "Refund a charge") is None


@pytest.mark.usefixtures("loaded_anew")
def test_nothing_is_asked_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("somebody asked the network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    assert distance(REFUND, "Refund a charge") == 29


def action(**told: Any) -> Action:
    description = {"title": "Refund a charge", "trust": told.pop("trust", "reviewed")}
    return Action(**{"operation": Operation(description=description), "run": "run_1", "request": REFUND, **told})


def test_it_is_of_a_persons_words_and_a_title_that_was_reviewed() -> None:
    assert distance_of(action()) == 29
    assert distance_of(action(trust="proven")) == 29
    assert distance_of(action(trust="imported")) is None
    assert distance_of(action(run="")) is None  # as the agent tells it
    assert distance_of(action(request="")) is None


words = st.text(max_size=50) | st.sampled_from([REFUND, "Refund a charge"])


@given(says=words, note=words, sentence=words, label=words, name=words)
def test_nothing_that_an_agent_or_the_other_side_writes_moves_it(
    says: str, note: str, sentence: str, label: str, name: str
) -> None:
    written = action(says=says, arguments={"note": note}, sentence=sentence, counterparty=name,
                     facts=[{"label": label, "becomes": note}], reads={"customer": {"name": name}},
                     evidence=[{"title": label, "value": note}])  # fmt: skip
    assert distance_of(written) == 29

"""What schemas reach: groups of definitions, and digests that change exactly when something reached does."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.definitions import Reached, groups, names, reference

NAMES = [f"n{number}" for number in range(8)]
graphs = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4)).map(
    lambda some: {name: some.get(name, []) for name in NAMES}
)


def reachable(refers: dict[str, list[str]], name: str) -> set[str]:
    """By the plainest way."""
    seen, waiting = {name}, [name]
    while waiting:
        fresh = set(refers[waiting.pop()]) - seen
        seen |= fresh
        waiting += fresh
    return seen


def definitions(refers: dict[str, list[str]]) -> dict[str, object]:
    return {name: {"anyOf": [{"$ref": reference(one)} for one in below]} for name, below in refers.items()}


def asking(name: str) -> list[object]:
    return [{"items": {"$ref": reference(name)}}]


@given(graphs)
def test_groups_are_what_reaches_each_other_and_come_after_what_they_refer_to(refers: dict[str, list[str]]) -> None:
    found = list(groups(refers))
    alike = {frozenset(b for b in NAMES if b in reachable(refers, a) and a in reachable(refers, b)) for a in NAMES}
    assert sorted(map(sorted, found)) == sorted(map(sorted, alike))
    place = {name: at for at, group in enumerate(found) for name in group}
    assert all(place[below] <= place[name] for name in NAMES for below in refers[name])


@given(graphs, st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_a_digest_changes_exactly_when_something_reached_does(
    refers: dict[str, list[str]], asked: str, changed: str
) -> None:
    before = definitions(refers)
    after = copy.deepcopy(before) | {changed: {**before[changed], "title": "another"}}  # type: ignore[dict-item]
    same = Reached(before).digest(asking(asked)) == Reached(after).digest(asking(asked))
    assert same == (changed not in reachable(refers, asked))


def test_a_chain_as_long_as_a_document_and_names_of_any_kind() -> None:
    long = {f"a/{n}~%": {"$ref": reference(f"a/{n + 1}~%")} for n in range(20_000)} | {"a/20000~%": {"type": "null"}}
    assert names(asking("a/7~%")) == {"a/7~%"}
    assert len(Reached(long).digest(asking("a/0~%"))) == 64


def test_what_refers_to_nothing_has_no_digest_and_what_is_missing_is_an_error() -> None:
    assert Reached({}).digest([{"type": "string"}, True]) == ""
    with pytest.raises(KeyError):
        Reached({}).digest(asking("gone"))

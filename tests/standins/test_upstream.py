"""The upstream of the crash tests does what it says: nothing rests on one that is kinder than real ones."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.standins.upstream import Fault, Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


KEY = {"Idempotency-Key": "k"}
MADE = {"thing": "t", "id": "k", "reference": "k"}
# What is asked twice, the two answers, and how many effects there are then.
TWICE = {
    "native_key": ("POST", "native_key/things", MADE, KEY, [201, 201], 1),
    "client_id": ("POST", "client_id/things", MADE, {}, [201, 409], 1),
    "merging": ("POST", "merging/things", MADE, {}, [201, 200], 1),
    "natural_key": ("POST", "natural_key/things", MADE, {}, [201, 201], 2),
    "conditional": ("PUT", "conditional/things/t", {}, {"If-Match": "1"}, [201, 412], 1),
    "conditional by body": ("POST", "conditional/things/t", {"version": 1}, {}, [201, 412], 1),
    "put": ("PUT", "set_semantics/things/t", {"value": "blue"}, {}, [201, 200], 1),
    "delete": ("DELETE", "set_semantics/things/t", {}, {}, [201, 200], 1),
    "none": ("POST", "none/things", MADE, {}, [201, 201], 2),
    "unknown": ("POST", "unknown/things", MADE, {}, [201, 201], 2),
}


def ask(upstream: Upstream, method: str, path: str, body: dict[str, Any], headers: dict[str, str]) -> int:
    return httpx.request(method, f"{upstream.base_url}/{path}", json=body, headers=headers).status_code


@pytest.mark.parametrize("case", TWICE)
def test_the_same_request_twice_is_as_many_effects_as_the_mode_says(upstream: Upstream, case: str) -> None:
    *request, statuses, effects = TWICE[case]
    assert [ask(upstream, *request) for _ in range(2)] == statuses  # type: ignore[arg-type]
    assert upstream.effects("t") == effects


def test_a_key_that_was_used_for_something_else_is_refused(upstream: Upstream) -> None:
    ask(upstream, "POST", "native_key/things", {"thing": "t"}, KEY)
    assert ask(upstream, "POST", "native_key/things", {"thing": "u"}, KEY) == 422


@pytest.mark.parametrize(
    ("fault", "effects"),
    [(Fault("unread"), 0), (Fault("read"), 0), (Fault("done"), 1), (Fault("half"), 1)],
    ids=lambda one: one.moment if isinstance(one, Fault) else "",
)
def test_a_cut_ends_the_connection_at_its_moment(upstream: Upstream, fault: Fault, effects: int) -> None:
    upstream.plan(fault)
    with pytest.raises(httpx.TransportError):
        ask(upstream, "POST", "none/things", MADE, {})
    assert (upstream.effects("t"), fault.reached.is_set()) == (effects, True)
    assert ask(upstream, "POST", "none/things", MADE, {}) == 201


@pytest.mark.parametrize(("moment", "effects"), [("read", 0), ("done", 1)])
def test_another_status_is_answered_before_or_after_the_effect(upstream: Upstream, moment: Any, effects: int) -> None:
    upstream.plan(Fault(moment, status=500))
    assert (ask(upstream, "POST", "none/things", MADE, {}), upstream.effects("t")) == (500, effects)


def test_what_was_put_off_is_done_later(upstream: Upstream) -> None:
    upstream.plan(Fault("read", late=True))
    with pytest.raises(httpx.TransportError):
        ask(upstream, "POST", "none/things", MADE, {})
    before = upstream.effects("t")
    upstream.catch_up()
    assert (before, upstream.effects("t")) == (0, 1)


def test_what_was_made_is_found_by_thing_and_by_key(upstream: Upstream) -> None:
    ask(upstream, "POST", "natural_key/things", MADE, {})
    for asked in ({"thing": "t"}, {"key": "k"}):
        found = httpx.get(f"{upstream.base_url}/any/made", params=asked).json()
        assert found == {"made": [{"thing": "t", "key": "k"}], "version": 1}
    assert httpx.get(f"{upstream.base_url}/any/made", params={"key": "other"}).json()["made"] == []

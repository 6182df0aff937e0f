"""Permission as the door gives it: for what was agreed, with a key, and for nothing that is read."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.canonical import jcs
from console.core.clock import now, read_moment
from console.core.errors import Tampered
from integrations.description import Description
from integrations.outbound import Answer, NotSent
from integrations.permission import AGENT, LASTS, is_at_agent, permit
from integrations.render import Rendered, render

DOCUMENT = {
    "title": "Run", "effect": "write", "method": "POST", "path": "/Run", "body": "json",
    "arguments": {"command": {"in": "body", "schema": {}},
                  "options": {"in": "body", "name": "runOptions", "schema": {}}},
}  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e12, 1e12) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def rendered(**arguments: Any) -> Rendered:
    return render(Description("run", DOCUMENT), arguments, base_url=AGENT, key="act_1")


def given_for(one: Rendered, *, key: str = "act_1", first: Callable[[], object] | None = None) -> Answer:
    return permit(one, expected=one.digest, key=key, first=first)


@given(command=VALUES, options=VALUES)
def test_it_is_for_exactly_what_was_agreed_by_the_names_that_the_tool_has(command: Any, options: Any) -> None:
    asked = {"command": command, "runOptions": options}
    body = given_for(rendered(command=command, options=options)).body
    assert (body["permission"], body["tool"]) == ("given", "Run")
    assert jcs(body["input"]) == jcs(asked)
    assert body["input_digest"] == hashlib.sha256(jcs(asked)).hexdigest()


def test_the_receipt_is_over_what_is_answered_and_ends() -> None:
    before, answer, after = now(), given_for(rendered(command="ls")), now()
    assert (answer.status, answer.digest) == (200, hashlib.sha256(jcs(answer.body)).hexdigest())
    assert before + LASTS <= read_moment(answer.body["expires"]) <= after + LASTS


def test_without_arguments_there_is_an_empty_input() -> None:
    assert given_for(rendered()).body["input"] == {}


def test_another_request_than_the_agreed_one_is_tampered_with() -> None:
    asked = []
    with pytest.raises(Tampered):
        permit(rendered(command="rm"), expected=rendered(command="ls").digest, key="a", first=lambda: asked.append(1))
    changed = replace(rendered(command="ls"), body=json.dumps({"command": "rm"}).encode())
    with pytest.raises(Tampered):
        permit(changed, expected=rendered(command="ls").digest, key="a", first=lambda: asked.append(1))
    assert asked == []


@pytest.mark.parametrize(("method", "key"), [("POST", ""), ("GET", "act_1"), ("GET", "")])
def test_nothing_is_read_at_an_agent(method: str, key: str) -> None:
    answer = given_for(replace(rendered(command="ls"), method=method), key=key)
    assert (answer.status, answer.body) == (404, {"error": "An agent is asked nothing: it can be permitted something."})


def test_what_was_stopped_in_the_last_moment_is_not_permitted() -> None:
    def stopped() -> None:
        raise NotSent("The agent was stopped.")

    with pytest.raises(NotSent):
        given_for(rendered(command="ls"), first=stopped)


@pytest.mark.parametrize("place", [AGENT, "http://AGENT.invalid:1/x"])
def test_its_place_is_known_in_every_spelling(place: str) -> None:
    assert is_at_agent(place)
    assert not is_at_agent("https://agent.invalid.example.com")

"""Spans tell what was called and how it ended, and no value that somebody gave or was answered."""

import json
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from console.core.telemetry import new_span_id, new_trace_id
from console.traces.models import Span
from console.traces.telemetry import RowExporter
from examples.demo.people import acting
from integrations.describe import describe_integration, give_grant, store_credential
from tests.gateway.conftest import make_agent
from tests.spine.conftest import World

VALUE = "canary@example.com"
PEOPLE = """
integration: people
title: People
operations:
  look: {title: Look, effect: read, method: GET, path: "/users/{id}", trust: reviewed,
         arguments: {id: {in: path, required: true, schema: {type: string}}}}
  rename: {title: Rename, effect: write, categories: [security], method: PUT, path: "/users/{id}",
           arguments: {id: {in: path, required: true, schema: {type: string}}}}
"""


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """Spans of reads become rows as they do in the door, by a thread that ends with the test."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(RowExporter()))
    monkeypatch.setattr("approvals.reading.tracer", provider.get_tracer("countersign"))
    yield provider
    provider.shutdown()


def told() -> list[str]:
    return [f"{span.name} {json.dumps(span.attributes)}" for span in Span.objects.all()]


def test_no_argument_of_a_path_is_in_a_span(world: World, reading: TracerProvider) -> None:
    mira = acting("mira")
    integration = describe_integration(PEOPLE, base_url=f"{world.standin}/v1", actor=mira)
    credential = store_credential(integration, name="people", secret="s", actor=mira)
    agent, _, _ = make_agent()
    give_grant(grantee=agent.grantee, operations=["look", "rename"], credential=credential, actor=mira)
    trace = new_trace_id()
    for operation in ("people.look", "people.rename"):
        asked = Proposal(agent.team_id, operation, {"id": VALUE}, agent.grantee, [agent.owner_id], trace_id=trace,
                         parent_span_id=new_span_id())  # fmt: skip
        propose(asked, actor=mira)
    world.settle()
    for review in Review.objects.filter(state="open"):
        world.sign(review)
    world.settle()
    reading.force_flush()
    assert set(Action.objects.values_list("state", flat=True)) == {"failed"}  # nobody is there of that name
    spans = {span.name: span.attributes.get("url.template") for span in Span.objects.filter(surface="api")}
    assert spans == {f"{method} /v1/users/{{id}}": "/v1/users/{id}" for method in ("GET", "PUT")}
    assert not [one for one in told() if "canary" in one]


def test_no_word_of_a_failure_is_in_a_span(held: World) -> None:
    held.sign(held.review(large=True), verdict="refuse", reason=f"It belongs to {VALUE}.")
    held.settle()
    assert Span.objects.filter(attributes__error="refused").exists()
    assert not [one for one in told() if "canary" in one]

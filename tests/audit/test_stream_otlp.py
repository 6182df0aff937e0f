"""Log records of OpenTelemetry: what a collector rejects counts as not delivered."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from audit.models import Outlet
from audit.outlets import step
from audit.record import record
from audit.streams import build
from audit.vocabulary import Kind
from console.core.actor import system
from tests.audit.conftest import SignedLog
from tests.audit.peers import serving
from tests.audit.receivers import TOKEN, Reply, Telemetry, answer

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    assert telemetry.problems == []


@pytest.fixture
def config(telemetry: Telemetry) -> Iterator[dict[str, Any]]:
    with serving(telemetry.respond) as server:
        yield {"name": "siem", "kind": "otlp", "url": server.url}


def partial(rejected: object) -> Reply:
    return answer(200, {"partialSuccess": {"rejectedLogRecords": rejected, "errorMessage": TOKEN}})


ANSWERS: dict[str, tuple[Reply, str]] = {
    "rejects one": (partial("1"), "The receiver rejected 1 of "),
    "rejects one, as a number": (partial(1), "The receiver rejected 1 of "),
    "rejects less than none": (partial("-1"), "The receiver did not answer as OTLP says."),
    "rejects a text": (partial("some"), "The receiver did not answer as OTLP says."),
    "partly a list": (answer(200, {"partialSuccess": [1]}), "The receiver did not answer as OTLP says."),
    "a list": (answer(200, []), "The receiver did not answer as OTLP says."),
    "a page": ((200, {}, b"<html>"), "The receiver did not answer as OTLP says."),
    "throttles": ((429, {"Retry-After": "0"}, b""), "The receiver answered 429, and asks to wait 0 seconds."),
    "bad request": (answer(400, {"code": 3, "message": TOKEN}), "The receiver answered 400, code 3."),
    "bad gateway": ((502, {}, b""), "The receiver answered 502."),
}


@pytest.mark.parametrize("how", ANSWERS)
def test_what_is_no_success_moves_no_cursor_and_comes_again(
    signed_log: SignedLog, telemetry: Telemetry, config: dict[str, Any], how: str
) -> None:
    signed_log.sequence_in([5])
    reply, says = ANSWERS[how]
    telemetry.next.append(lambda request, take: reply)
    stream = build(config)
    assert not step(stream)
    outlet = Outlet.objects.get()
    assert outlet.error.startswith(says)
    assert TOKEN not in outlet.error
    assert outlet.reached == 0
    size = signed_log.sequence().size
    assert step(stream)
    assert [one.index for one in telemetry.got] == list(range(size))


@pytest.mark.parametrize(
    "reply", [answer(200, {}), answer(200, {"partialSuccess": None}), partial("0"), (200, {}, b""), (204, {}, b"")]
)
def test_a_success_may_be_told_in_several_ways(
    signed_log: SignedLog, telemetry: Telemetry, config: dict[str, Any], reply: Reply
) -> None:
    size = signed_log.sequence().size
    telemetry.next.append(lambda request, take: reply)
    assert step(build(config))
    assert Outlet.objects.get().reached == size


def test_records_name_their_kind_and_their_trace(
    signed_log: SignedLog, telemetry: Telemetry, config: dict[str, Any]
) -> None:
    record(Kind.PAGE_READ, subject="a", actor=system("tests"), team="", trace=TRACE)
    record(Kind.PAGE_READ, subject="b", actor=system("tests"), team="", trace="no trace")
    tree = signed_log.sequence()
    assert step(build(config))
    (resource,) = json.loads(telemetry.bodies[0])["resourceLogs"]
    assert resource["resource"] == {"attributes": [{"key": "service.name", "value": {"stringValue": "countersign"}}]}
    found = {one["body"]["stringValue"]: one for one in resource["scopeLogs"][0]["logRecords"]}
    told = {json.loads(text)["object"]: one for text, one in found.items()}
    assert told["a"]["traceId"] == TRACE
    assert "traceId" not in told["b"]
    assert told["b"]["eventName"] == Kind.PAGE_READ
    assert len(found) == tree.size


@pytest.mark.parametrize(
    ("changes", "header"),
    [({}, {"Authorization": f"Bearer {TOKEN}"}), ({"token_header": "api-key"}, {"api-key": TOKEN})],
)
def test_the_token_goes_into_the_header_that_is_asked_for(
    signed_log: SignedLog, telemetry: Telemetry, config: dict[str, Any], tmp_path: Path, changes: dict[str, str],
    header: Mapping[str, str],
) -> None:  # fmt: skip
    signed_log.sequence()
    file = tmp_path / "token"
    file.write_text(TOKEN)
    assert step(build({**config, "token_file": str(file), **changes}))
    seen = {name.lower(): value for name, value in telemetry.seen[0].items()}
    assert {name.lower(): value for name, value in header.items()}.items() <= seen.items()
    assert [value for value in seen.values() if TOKEN in value] == list(header.values())

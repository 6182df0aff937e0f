"""Splunk's collector, as its documents describe it: what it refuses, and what it has not indexed yet."""

import datetime as dt
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from audit.models import Outlet
from audit.outlets import OutletFailed, step
from audit.streams import build, hec
from audit.streams.base import AskedToWait, post
from console.core import clock
from tests.audit.conftest import SignedLog
from tests.audit.peers import Server, certificate, serving
from tests.audit.receivers import TOKEN, Collector, Reply, hang_up, serving_tls


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def server(collector: Collector) -> Iterator[Server]:
    with serving(collector.respond) as server:
        yield server


@pytest.fixture
def config(server: Server, tmp_path: Path) -> dict[str, Any]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    return {"name": "siem", "kind": "hec", "url": server.url, "token_file": str(token), "timeout": 5}


def stays(status: int, headers: dict[str, str], value: object) -> Callable[..., Reply]:
    """Nothing is taken."""
    return lambda request, take: (status, headers, json.dumps(value).encode())


def dies(request: BaseHTTPRequestHandler, take: Callable[[], Reply]) -> Reply:
    take()
    return hang_up(request)


def half_closes(request: BaseHTTPRequestHandler, take: Callable[[], Reply]) -> Reply:
    """A beginning of an answer."""
    take()
    request.connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{"text":"Succ')
    return hang_up(request)


FAILURES: dict[str, tuple[Callable[..., Reply], str]] = {
    "busy": (stays(503, {}, {"text": "Server is busy", "code": 9}), "The receiver answered 503, code 9."),
    "bad request": (stays(400, {}, {"text": f"No index {TOKEN}", "code": 7}), "The receiver answered 400, code 7."),
    "forbidden": (stays(403, {}, {"text": TOKEN, "code": TOKEN}), "The receiver answered 403."),
    "moved": (stays(301, {"Location": "/elsewhere"}, {}), "The receiver answered 301."),
    "a code of failure": (stays(200, {}, {"text": "Success", "code": 8}), "did not answer as an event collector does"),
    "a page": (stays(200, {}, "<html>"), "did not answer as an event collector does"),
    "a list": (stays(200, {}, [0]), "did not answer as an event collector does"),
    "dies": (dies, "The receiver: The exchange broke off: "),
    "half closes": (half_closes, "The receiver: The exchange broke off: "),
}  # fmt: skip


@pytest.mark.parametrize("how", FAILURES)
def test_what_is_no_success_moves_no_cursor_and_comes_again(
    signed_log: SignedLog, collector: Collector, config: dict[str, Any], how: str
) -> None:
    size = signed_log.sequence_in([5]).size
    fails, says = FAILURES[how]
    collector.next.append(fails)
    stream = build(config)
    assert not step(stream)
    outlet = Outlet.objects.get()
    assert says in outlet.error
    assert TOKEN not in outlet.error
    assert outlet.reached == 0
    size = signed_log.sequence().size
    assert step(stream)
    assert Outlet.objects.get().reached == size
    assert sorted({one.index for one in collector.got}) == list(range(size))
    assert (len(collector.got) > size) == (how in {"dies", "half closes"})


def test_it_is_left_alone_for_as_long_as_it_asks(
    signed_log: SignedLog, collector: Collector, config: dict[str, Any]
) -> None:
    signed_log.sequence()
    collector.next.append(stays(503, {"Retry-After": "90"}, {"code": 9}))
    stream = build(config)
    assert not step(stream)
    assert Outlet.objects.get().error == "The receiver answered 503, and asks to wait 90 seconds."
    assert not step(stream)
    assert len(collector.seen) == 1


@pytest.mark.parametrize(("pause", "seconds"), [("90", 90), ("Fri, 20 Nov 2026 12:01:00 GMT", 60), ("99999", 3600)])
def test_a_pause_is_a_number_of_seconds_or_a_date(
    pause: str, seconds: float, collector: Collector, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC))
    collector.next.append(stays(429, {"Retry-After": pause}, {}))
    with pytest.raises(AskedToWait) as asked:
        post(server.url, b"", {}, 5, "")
    assert asked.value.seconds == seconds


@pytest.mark.parametrize("pause", ["-1", "1e9", "²", ""])
def test_a_pause_that_is_neither_is_nobodys_wish(pause: str, collector: Collector, server: Server) -> None:
    collector.next.append(stays(503, {"Retry-After": pause}, {}))
    with suppress(UnicodeError), pytest.raises(OutletFailed) as failed:
        post(server.url, b"", {}, 5, "")
    assert not isinstance(failed.value, AskedToWait)


def test_a_wrong_token_is_told_by_its_number(signed_log: SignedLog, config: dict[str, Any]) -> None:
    signed_log.sequence()
    Path(config["token_file"]).write_text("another-token")
    assert not step(build(config))
    assert Outlet.objects.get().error == "The receiver answered 403, code 4."


def test_the_certificate_is_checked(signed_log: SignedLog, config: dict[str, Any], tmp_path: Path) -> None:
    size = signed_log.sequence_in([3]).size
    ours, others = certificate(tmp_path / "ours"), certificate(tmp_path / "others")
    secure = Collector()
    with serving_tls(secure, *ours) as server:
        config["url"] = server.url.replace("http:", "https:")
        for ca_file in ({"ca_file": str(others[0])}, {}):
            assert not step(build({**config, **ca_file}))
            assert "CERTIFICATE_VERIFY_FAILED" in Outlet.objects.get().error
        assert secure.seen == []
        assert step(build({**config, "ca_file": str(ours[0])}))
    assert len(secure.got) == Outlet.objects.get().reached >= size


def test_events_say_where_they_come_from(signed_log: SignedLog, collector: Collector, config: dict[str, Any]) -> None:
    tree = signed_log.sequence()
    assert step(build({**config, "url": f"{config['url']}/", "index": "audit"}))
    first = collector.events[0]
    assert {key: first[key] for key in ("host", "source", "sourcetype", "index")} == {
        "host": tree.log, "source": tree.origin, "sourcetype": "countersign:leaf", "index": "audit",
    }  # fmt: skip
    assert abs(first["time"] - tree.opened_at.timestamp()) < 600


def test_without_the_name_of_an_index_splunk_chooses(
    signed_log: SignedLog, collector: Collector, config: dict[str, Any]
) -> None:
    signed_log.sequence()
    assert step(build(config))
    assert not any("index" in event for event in collector.events)


def test_the_words_of_ocsf_are_an_option(signed_log: SignedLog, collector: Collector, config: dict[str, Any]) -> None:
    tree = signed_log.sequence_in([3])
    assert step(build({**config, "format": "ocsf"}))
    told = [json.loads(one.text) for one in collector.got]
    assert [one["metadata"]["sequence"] for one in told] == list(range(tree.size))
    assert [one["unmapped"]["log"]["leaf_hash"] for one in told] == [one.hash for one in collector.got]
    assert {one["metadata"]["log_name"] for one in told} == {tree.origin}


# Indexer acknowledgement


@pytest.fixture
def acknowledging(collector: Collector, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(hec, "POLL", 0.0)
    collector.acknowledges = True
    return {**config, "acknowledge": True}


def test_the_cursor_waits_until_all_is_indexed(
    signed_log: SignedLog, collector: Collector, acknowledging: dict[str, Any]
) -> None:
    size = signed_log.sequence_in([25]).size
    asked: list[int] = []

    def indexes(number: int) -> bool:
        asked.append(number)
        return asked.count(number) > 3 - number

    collector.indexes = indexes
    assert step(build({**acknowledging, "batch_leaves": 10}))
    assert sorted(asked) == [0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert [one.index for one in sorted(collector.got)] == list(range(size))
    assert Outlet.objects.get().reached == size
    assert len({one["X-Splunk-Request-Channel"] for one in collector.seen}) == 1


def test_what_is_never_indexed_is_sent_again(
    signed_log: SignedLog, collector: Collector, acknowledging: dict[str, Any]
) -> None:
    signed_log.sequence_in([5])
    collector.indexes = lambda number: False
    stream = build({**acknowledging, "acknowledge_timeout": 1})
    assert not step(stream)
    assert Outlet.objects.get().error == "The receiver has not indexed everything within 1 seconds."
    collector.indexes = lambda number: True
    size = signed_log.sequence().size
    assert step(stream)
    assert [one.index for one in collector.got] == list(range(size))
    assert Outlet.objects.get().reached == size


def test_a_token_without_acknowledgement_is_told(
    signed_log: SignedLog, collector: Collector, acknowledging: dict[str, Any]
) -> None:
    signed_log.sequence()
    collector.acknowledges = False
    assert not step(build(acknowledging))
    assert "its token has to be made with acknowledgement" in Outlet.objects.get().error


@pytest.mark.parametrize("rubbish", [{}, [], {"acks": [True]}, {"acks": None}, "<html>"])
def test_rubbish_about_the_index_is_no_acknowledgement(
    signed_log: SignedLog, collector: Collector, acknowledging: dict[str, Any], rubbish: object
) -> None:
    signed_log.sequence()
    collector.next += [lambda request, take: take(), stays(200, {}, rubbish)]
    assert not step(build(acknowledging))
    assert Outlet.objects.get().error == "The receiver did not tell what it has indexed."


@pytest.mark.parametrize("value", ["true", 1, None, {}])
def test_only_true_is_an_acknowledgement(
    signed_log: SignedLog, collector: Collector, acknowledging: dict[str, Any], value: object
) -> None:
    signed_log.sequence()
    collector.next += [lambda request, take: take(), stays(200, {}, {"acks": {"0": value}})]
    assert step(build(acknowledging))
    assert len(collector.seen) == 3


@pytest.mark.long
def test_how_many_leaves_go_through_in_a_second(
    signed_log: SignedLog, collector: Collector, config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """For `docs/streams.md`; with this process at both ends."""
    size = signed_log.sequence_in([10_000]).size
    stream, begin = build(config), time.perf_counter()
    while Outlet.objects.filter(reached=size).first() is None:
        assert step(stream)
    seconds = time.perf_counter() - begin
    assert [one.index for one in collector.got] == list(range(size))
    with capsys.disabled():
        sys.stdout.write(f"\n{size / seconds:,.0f} leaves/s to a collector on this machine\n")

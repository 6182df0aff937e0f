"""Streams as the publishing file configures them, and their secrets."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from audit import publishing
from audit.models import Tree
from audit.outlets import OutletFailed
from audit.streams import build
from tests.audit.conftest import SignedLog


@pytest.mark.parametrize("content", [None, b"", b"two\nlines", b"\xff", b"secret\x00word"])
def test_a_token_that_cannot_be_used_is_told_by_its_file_alone(
    signed_log: SignedLog, tmp_path: Path, content: bytes | None
) -> None:
    signed_log.sequence()
    file = tmp_path / "a-secret"
    if content is not None:
        file.write_bytes(content)
    for kind in ("hec", "otlp"):
        stream = build({"name": "siem", "kind": kind, "url": "http://localhost:1", "token_file": str(file)})
        with pytest.raises(OutletFailed) as failed:
            stream.advance(Tree.objects.get(), 0)
        assert str(file) in str(failed.value)
        assert not [word for word in ("secret\x00", "two", "lines") if word in str(failed.value)]


COMPLETE: dict[str, dict[str, Any]] = {
    "hec": {"url": "https://splunk.example:8088", "token_file": "/somewhere"},
    "otlp": {"url": "https://collector.example:4318", "token_file": "/somewhere"},
    "syslog": {"host": "siem.example"},
}  # fmt: skip

WRONG: list[tuple[str, str, object]] = [
    *[(kind, key, value) for kind in COMPLETE for key, value in [
        ("every", 0), ("every", "1"), ("every", True), ("begin", 5), ("begin", True), ("begin", "yesterday"),
        ("batch_leaves", 0), ("batch_bytes", 1.5), ("timeout", 601), ("token", "hush-hush"), ("ca_file", "relative"),
        ("name", ""), ("name", None), ("team", "hush-hush"),
    ]],
    ("hec", "url", "http://splunk.example"), ("hec", "url", "https://u:hush-hush@splunk.example"),
    ("hec", "token_file", "hush-hush"), ("hec", "acknowledge", "yes"), ("hec", "format", "cef"),
    ("hec", "acknowledge_timeout", 0), ("otlp", "url", "http://collector.example"),
    ("otlp", "token_header", "X: hush-hush"), ("otlp", "format", "ocsf"), ("syslog", "host", "hush hush"),
    ("syslog", "host", "a..b"), ("syslog", "host", "a" * 64), ("syslog", "port", 0), ("syslog", "key_file", "/key"),
    ("syslog", "cert_file", "/cert"), ("syslog", "format", "cef"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "key", "value"), WRONG)
def test_what_is_wrong_in_the_configuration_is_named_and_not_repeated(kind: str, key: str, value: object) -> None:
    build({"name": "siem", "kind": kind, **COMPLETE[kind]})
    with pytest.raises(ValueError, match=rf"^Stream of kind {kind}: `({key}|key_file)` ") as refused:
        build({"name": "siem", "kind": kind, **COMPLETE[kind], key: value})
    assert "hush" not in str(refused.value)


def test_the_publishing_file_names_the_streams() -> None:
    text = "streams:\n  - {name: siem, kind: syslog, host: siem.example, every: 0.5}\n" \
           "  - {name: hec, kind: hec, url: 'https://splunk.example', token_file: /token}\n"  # fmt: skip
    assert [(way.name, way.kind, way.every) for way in publishing.read(text)] == [
        ("siem", "syslog", 0.5), ("hec", "hec", 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("streams: [{kind: hec}]", "streams, an entry: Stream of kind hec: `name` is missing"),
        ("streams: [{name: siem, kind: telepathy}]", "streams, siem: A stream is of a `kind`: hec, otlp, syslog"),
        ("streams: [{name: siem}]", "streams, siem: A stream is of a `kind`"),
        ("streams: [text]", "streams: each entry is a set of keys and values"),
        ("streams: [{name: a, kind: syslog, host: x}, {name: a, kind: syslog, host: y}]", "Two entries .* named a"),
    ],
)
def test_a_wrong_stream_in_the_publishing_file_says_where(text: str, says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        publishing.read(text)

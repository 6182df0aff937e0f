"""What holds for anchors of every kind, with real servers behind them."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

from audit.anchors import KINDS, AnchorFailed, Receipt, WrongConfiguration, build
from examples.standins.launcher import free_port
from tests.audit.growing import Log
from tests.audit.peers import Authority, a_client, misbehaving, object_store, program, serving

HTTP = b"HTTP/1.1 200 OK\r\nX-Slow: "


@dataclass
class Place:
    """Somewhere outside."""

    config: dict[str, Any]
    kept: Callable[[], list[bytes]]  # what is there, in the form of this kind
    form: Callable[[str], bytes] = str.encode  # of a note
    elsewhere: Callable[[int], dict[str, Any]] | None = None  # what to change, so that it speaks with another port
    greeting: bytes = HTTP
    repeats: bool = False  # keeps one more of what it is handed again


def a_file(directory: Path) -> Iterator[Place]:
    path = directory / "checkpoints"

    def kept() -> list[bytes]:
        parts = path.read_bytes().split(b"\n\n")
        assert parts.pop() == b""
        return [body + b"\n\n" + signatures + b"\n" for body, signatures in zip(parts[::2], parts[1::2], strict=True)]

    yield Place({"kind": "file", "path": str(path)}, kept)


def a_repository(directory: Path) -> Iterator[Place]:
    remote = directory / "remote.git"
    program("git", "init", "--quiet", "--bare", remote)

    def kept() -> list[bytes]:
        commits = program("git", "-C", remote, "rev-list", "--reverse", "main").split()
        return [program("git", "-C", remote, "cat-file", "blob", f"{commit.decode()}:log.example%2F1.checkpoint")
                for commit in commits]  # fmt: skip

    yield Place(
        {"kind": "git", "remote": str(remote), "state": str(directory / "state")}, kept,
        elsewhere=lambda port: {"remote": f"http://127.0.0.1:{port}/x.git"},
    )  # fmt: skip


def a_mailbox(directory: Path) -> Iterator[Place]:
    mailbox = Mailbox(directory / "mail")
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield Place(
            {"kind": "mail", "host": "127.0.0.1", "port": controller.port, "tls": "none", "from": "log@log.example",
             "to": ["auditor@audit.example", "second@audit.example"]},
            lambda: sorted(map(payload, mailbox.mailbox), key=size_of),
            elsewhere=lambda port: {"port": port}, greeting=b"220-slow", repeats=True,
        )  # fmt: skip
    finally:
        controller.stop()


def payload(message: "Message[str, str]") -> bytes:
    """What a mail program saves."""
    decoded = message.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    return decoded.replace(b"\r\n", b"\n")


def size_of(note: bytes) -> int:
    return int(note.split(b"\n")[1])


def an_authority(directory: Path) -> Iterator[Place]:
    authority = Authority.make(directory / "tsa")
    with serving(authority.respond) as server:
        yield Place(
            {"kind": "rfc3161", "url": server.url, "tsa_ca_file": str(authority.cert)},
            lambda: [query[query.index(b"\x04\x20") + 2 :][:32] for query in authority.queries],
            form=lambda note: sha256(note.encode()).digest(), repeats=True,
            elsewhere=lambda port: {"url": f"http://127.0.0.1:{port}"},
        )  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with object_store() as url:
        yield url


def a_bucket(directory: Path, store: str) -> Iterator[Place]:
    secret, bucket = directory / "secret", f"bucket-{os.urandom(6).hex()}"
    secret.write_text("key-of-the-store\n")
    client = a_client(store)
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)

    def kept() -> list[bytes]:
        keys = [one["Key"] for one in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return [client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]

    yield Place(
        {"kind": "s3", "endpoint": store, "bucket": bucket, "access_key_id": "AKIDEXAMPLE",
         "secret_key_file": str(secret), "retain_days": 1}, kept,
        elsewhere=lambda port: {"endpoint": f"http://127.0.0.1:{port}"},
    )  # fmt: skip


PLACES = {"file": a_file, "git": a_repository, "mail": a_mailbox, "rfc3161": an_authority}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "s3":
        yield from a_bucket(tmp_path, request.getfixturevalue("store"))
    else:
        yield from PLACES[request.param](tmp_path)


def anchor(place: Place, log: Log, size: int | None = None, **changes: Any) -> Receipt:
    size = log.size if size is None else size
    return build({**place.config, **changes}).anchor(log.note(size), origin=log.origin, size=size)


def test_a_checkpoint_is_kept_outside_exactly_as_it_was_signed(place: Place) -> None:
    log = Log().grow(5)
    receipt = anchor(place, log)
    assert place.kept() == [place.form(log.note())]
    assert receipt.data
    assert receipt.place


def test_checkpoints_are_kept_one_after_another(place: Place) -> None:
    log = Log().grow(9)
    receipts = [anchor(place, log, size) for size in (0, 3, 9)]
    assert place.kept() == [place.form(log.note(size)) for size in (0, 3, 9)]
    assert len({receipt.data for receipt in receipts}) == 3


def test_the_same_checkpoint_again_is_harmless(place: Place) -> None:
    log = Log().grow(5)
    anchor(place, log, 3)
    receipts = [anchor(place, log), anchor(place, log)]
    times = 2 if place.repeats else 1
    assert place.kept() == [place.form(log.note(3)), *[place.form(log.note())] * times]
    if place.config["kind"] != "rfc3161":
        assert receipts[0] == receipts[1]


def test_what_is_not_the_checkpoint_that_was_said_is_not_taken(place: Place) -> None:
    log = Log().grow(5)
    made = build(place.config)
    for note, origin, size in (
        (log.note(), log.origin, 4),
        (log.note(), "other.example/1", 5),
        (log.body(), log.origin, 5),
        ("", log.origin, 5),
    ):
        with pytest.raises(AnchorFailed, match=r"^This is not (a|the) checkpoint"):
            made.anchor(note, origin=origin, size=size)


def test_a_contradiction_is_refused_where_the_last_checkpoint_is_known(place: Place) -> None:
    log = Log().grow(5)
    anchor(place, log)
    fork = log.fork(4).grow(1, "other")
    if place.config["kind"] in {"file", "git", "s3"}:
        with pytest.raises(AnchorFailed, match=r"^Another tree of 5 leaves is kept there\.$"):
            anchor(place, fork)
    if place.config["kind"] in {"file", "git"}:
        with pytest.raises(AnchorFailed, match=r"^A checkpoint of 5 leaves is kept there; this one has 4\.$"):
            anchor(place, log, 4)
        assert place.kept() == [place.form(log.note())]


@pytest.mark.parametrize("place", ["git", "mail", "rfc3161", "s3"], indirect=True)
@pytest.mark.parametrize("how", ["gone", "silent", "dripping", "garbage"])
def test_a_peer_that_misbehaves_fails_in_time_and_another_try_succeeds(place: Place, how: str) -> None:
    log = Log().grow(5)
    assert place.elsewhere is not None
    with misbehaving(how, place.greeting) as port, pytest.raises(AnchorFailed) as failed:
        anchor(place, log, timeout=1, **place.elsewhere(port))
    if how in {"silent", "dripping"}:
        assert "within 1 seconds" in str(failed.value)
    assert anchor(place, log).data
    assert place.kept() == [place.form(log.note())]


def test_what_is_missing_or_unknown_in_the_configuration_is_named(place: Place) -> None:
    kind = place.config["kind"]
    build(place.config)
    for key in place.config.keys() - {"kind", "port", "tls"}:
        with pytest.raises(WrongConfiguration, match=rf"^Anchor of kind {kind}: `{key}` (is missing|has to be)"):
            build({other: value for other, value in place.config.items() if other != key})
        with pytest.raises(WrongConfiguration, match=rf"^Anchor of kind {kind}: `{key}` "):
            build({**place.config, key: {"a": 1}})
    with pytest.raises(WrongConfiguration, match=rf"^Anchor of kind {kind}: `pasword` is not known here\.$"):
        build({**place.config, "pasword": "x"})
    for seconds in (0, 601, 1.5, "5", True):
        with pytest.raises(WrongConfiguration, match=r"`timeout` has to be a number from 1 to 600\.$"):
            build({**place.config, "timeout": seconds})


def test_a_kind_that_is_not_known_is_told_those_that_are() -> None:
    for config in ({}, {"kind": "tape"}, {"kind": ["file"]}):
        with pytest.raises(WrongConfiguration, match="file, git, mail, rfc3161, s3"):
            build(config)


SIGNING_IN = {
    "git": {"remote": "https://127.0.0.1:{port}/x.git", "username": "u", "password_file": "{file}"},
    "rfc3161": {"url": "https://127.0.0.1:{port}", "username": "u", "password_file": "{file}"},
    "s3": {"secret_key_file": "{file}"},
}  # of mail, which reads it after STARTTLS: test_anchor_mail.py


@pytest.mark.parametrize("place", SIGNING_IN, indirect=True)
@pytest.mark.parametrize("content", [None, b"", b"two\nlines", b"\xff", b"secret\x00word"])
def test_a_secret_that_cannot_be_used_is_told_by_its_file_alone(
    place: Place, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "a-secret"
    if content is not None:
        file.write_bytes(content)
    changes = SIGNING_IN[place.config["kind"]]
    config: dict[str, Any] = {key: text.format(file=file, port=free_port()) for key, text in changes.items()}
    with pytest.raises(AnchorFailed) as failed:
        anchor(place, Log().grow(1), **config)
    assert str(file) in str(failed.value)
    assert not [word for word in ("secret\x00", "two", "lines") if word in str(failed.value)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_that_does_not_come_from_a_file_is_refused(kind: str) -> None:
    for key in ("password", "secret_key", "token"):
        with pytest.raises(WrongConfiguration) as refused:
            build({"kind": kind, **COMPLETE[kind], key: "hush-hush"})
        assert str(refused.value) == f"Anchor of kind {kind}: `{key}` is not known here."


COMPLETE: dict[str, dict[str, Any]] = {
    "file": {"path": "/somewhere"},
    "git": {"remote": "https://git.example/x.git", "state": "/somewhere"},
    "mail": {"host": "mail.example", "from": "a@log.example", "to": "b@audit.example"},
    "rfc3161": {"url": "https://tsa.example", "tsa_ca_file": "/somewhere"},
    "s3": {"endpoint": "https://s3.example", "bucket": "b", "access_key_id": "A", "secret_key_file": "/somewhere",
           "retain_days": 400},
}  # fmt: skip

WRONG: list[tuple[str, str, object]] = [
    ("file", "path", "relative"), ("file", "path", "/two\nlines"), ("file", "path", ""),
    ("git", "remote", "https://user:hush-hush@git.example/x.git"), ("git", "remote", "https://hush-hush@git.example/x"),
    ("git", "remote", "--upload-pack=hush-hush"), ("git", "remote", "ext::sh -c hush-hush"), ("git", "branch", "-f"),
    ("git", "branch", "a b"), ("git", "branch", "a..b"), ("git", "branch", "a:b"), ("git", "state", "relative"),
    ("git", "password_file", "/somewhere"), ("git", "username", "u"), ("git", "key_file", "/somewhere"),
    ("mail", "from", "nobody"), ("mail", "to", []), ("mail", "to", ["b@audit.example", "x\r\ny@audit.example"]),
    ("mail", "to", "A <b@audit.example>"), ("mail", "to", "ü@audit.example"), ("mail", "port", 0),
    ("mail", "port", True),
    ("mail", "tls", "maybe"), ("mail", "username", "u"),
    ("git", "remote", "https://[hush-hush/x.git"), ("s3", "endpoint", "https://[hush-hush"),
    ("rfc3161", "url", "ftp://tsa.example"), ("rfc3161", "url", "https://user:hush-hush@tsa.example"),
    ("rfc3161", "url", "https://"), ("rfc3161", "tsa_ca_file", "relative"),
    ("s3", "endpoint", "s3.example"), ("s3", "bucket", "a/b"), ("s3", "retain_days", 0), ("s3", "retain_days", "400"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "key", "value"), WRONG)
def test_what_is_wrong_in_the_configuration_is_named_and_not_repeated(kind: str, key: str, value: object) -> None:
    build({"kind": kind, **COMPLETE[kind]})
    with pytest.raises(WrongConfiguration) as refused:
        build({"kind": kind, **COMPLETE[kind], key: value})
    assert str(refused.value).startswith(f"Anchor of kind {kind}: `")
    assert "hush-hush" not in str(refused.value)


def test_a_password_is_not_sent_where_others_can_read_it(tmp_path: Path) -> None:
    signing_in = {"username": "u", "password_file": "/somewhere"}
    for kind, change in (
        ("mail", {"tls": "none"}),
        ("rfc3161", {"url": "http://tsa.example"}),
        ("git", {"remote": "http://git.example/x.git"}),
    ):
        with pytest.raises(WrongConfiguration, match="the password could be read on the way"):
            build({"kind": kind, **COMPLETE[kind], **change, **signing_in})


def test_no_proxy_of_the_environment_is_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with contextlib.suppress(socket.gaierror):
        assert anchor(place, Log().grow(2)).data

"""Objects that nobody can remove, in a real store."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from audit.anchors import AnchorFailed, Receipt, build
from tests.audit.growing import Log
from tests.audit.peers import a_client, object_store, serving

SECRET = "key-of-the-store"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with object_store() as url:
        yield url


@pytest.fixture
def bucket(store: str) -> str:
    name = f"bucket-{os.urandom(6).hex()}"
    a_client(store).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return file


def anchor(store: str, bucket: str, secret: Path, log: Log, **changes: Any) -> Receipt:
    config = {"kind": "s3", "endpoint": store, "bucket": bucket, "access_key_id": "AKIDEXAMPLE", "retain_days": 400,
              "secret_key_file": str(secret)}  # fmt: skip
    return build({**config, **changes}).anchor(log.note(), origin=log.origin, size=log.size)


KEY = "checkpoints/log.example/1/00000000000000000005"


def test_the_object_is_locked_and_the_receipt_tells_its_version(store: str, bucket: str, secret: Path) -> None:
    receipt = anchor(store, bucket, secret, Log().grow(5))
    told = dict(line.split(" ", 1) for line in receipt.data.decode().splitlines())
    head = a_client(store).head_object(Bucket=bucket, Key=KEY)
    assert (head["VersionId"], head["ETag"], head["ObjectLockMode"]) == (told["version"], told["etag"], "COMPLIANCE")
    until = datetime.fromisoformat(told["retain-until"])
    assert until == head["ObjectLockRetainUntilDate"]
    assert timedelta(days=399) < until - datetime.now(UTC) <= timedelta(days=400)
    assert receipt.place == f"{store}/{bucket}/{KEY}?versionId={told['version']}"


def test_nobody_can_remove_it_or_shorten_the_lock(store: str, bucket: str, secret: Path) -> None:
    anchor(store, bucket, secret, Log().grow(5))
    client = a_client(store)
    version = client.head_object(Bucket=bucket, Key=KEY)["VersionId"]
    for bypass in (True, False):
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.delete_object(Bucket=bucket, Key=KEY, VersionId=version, BypassGovernanceRetention=bypass)


def test_an_object_that_is_there_is_never_replaced(store: str, bucket: str, secret: Path) -> None:
    log = Log().grow(5)
    first = anchor(store, bucket, secret, log)
    assert anchor(store, bucket, secret, log, retain_days=800) == first
    with pytest.raises(AnchorFailed, match=r"^Another tree of 5 leaves is kept there\.$"):
        anchor(store, bucket, secret, log.fork(4).grow(1, "other"))
    versions = a_client(store).list_object_versions(Bucket=bucket)["Versions"]
    assert len(versions) == 1


def test_something_else_in_its_place_is_told(store: str, bucket: str, secret: Path) -> None:
    a_client(store).put_object(Bucket=bucket, Key=KEY, Body=b"something else")
    with pytest.raises(AnchorFailed, match=r"^What is kept there is not a checkpoint: "):
        anchor(store, bucket, secret, Log().grow(5))


def test_an_object_that_is_there_without_a_lock_is_no_receipt(store: str, bucket: str, secret: Path) -> None:
    log = Log().grow(5)
    a_client(store).put_object(Bucket=bucket, Key=KEY, Body=log.note().encode())
    with pytest.raises(AnchorFailed, match=r"^The object is there, and is not locked in compliance mode\.$"):
        anchor(store, bucket, secret, log)


def test_a_bucket_without_lock_or_that_is_not_there_gets_nothing(store: str, secret: Path) -> None:
    client, name = a_client(store), f"bucket-{os.urandom(6).hex()}"
    for _ in range(2):
        with pytest.raises(AnchorFailed, match=r"^The bucket is not there, or has no Object Lock\.$"):
            anchor(store, name, secret, Log().grow(1))
        client.create_bucket(Bucket=name)
    assert client.list_objects_v2(Bucket=name)["KeyCount"] == 0


MODE, UNTIL = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"
ENABLED = b"<C xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><ObjectLockEnabled>Enabled</ObjectLockEnabled></C>"


@pytest.mark.parametrize(
    ("lock", "head"),
    [
        (b"<C><ObjectLockEnabled>No</ObjectLockEnabled></C>", {}),
        (b"not XML", {}),
        (ENABLED, {}),
        (
            ENABLED,
            {MODE: "GOVERNANCE", UNTIL: "2100-01-01T00:00:00Z"},
        ),
        (
            ENABLED,
            {MODE: "COMPLIANCE", UNTIL: "2001-01-01T00:00:00Z"},
        ),
        (ENABLED, {MODE: "COMPLIANCE", UNTIL: "some day"}),
        (ENABLED, {MODE: "COMPLIANCE", UNTIL: "2100-01-01"}),
        (ENABLED, {MODE: "COMPLIANCE"}),
    ],
)
def test_a_store_that_only_pretends_to_lock_is_seen_through(lock: bytes, head: Mapping[str, str], secret: Path) -> None:
    def respond(request: Any, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        return 200, head if request.command == "HEAD" else {}, lock if request.command == "GET" else b""

    with serving(respond) as server, pytest.raises(AnchorFailed, match=r"not locked|no Object Lock"):
        anchor(server.url, "b", secret, Log().grow(1))


@pytest.mark.parametrize("failing", ["GET", "PUT", "HEAD"])
def test_what_the_store_refuses_is_told_by_its_code(failing: str, secret: Path) -> None:
    refused = b"<Error><Code>AccessDenied</Code><Message>key-of-the-store</Message></Error>"

    def respond(request: Any, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        return (403, {}, refused) if request.command == failing else (200, {}, ENABLED)

    code = "" if failing == "HEAD" else " AccessDenied"
    with serving(respond) as server, pytest.raises(AnchorFailed, match=rf"^The store answered 403{code}\.$"):
        anchor(server.url, "b", secret, Log().grow(1))


def test_a_session_of_limited_time_is_named_by_its_token(tmp_path: Path, secret: Path) -> None:
    token, seen = tmp_path / "token", list[str]()
    token.write_text("a-token\n")

    def respond(request: Any, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        seen.append(request.headers["x-amz-security-token"])
        return 404, {}, b""

    with serving(respond) as server, pytest.raises(AnchorFailed):
        anchor(server.url, "b", secret, Log().grow(1), session_token_file=str(token))
    assert seen == ["a-token"]


def test_the_request_that_goes_out_is_the_one_that_was_signed() -> None:
    """httpx must not write the path in another way."""
    url = f"https://s3.example/bucket/{'a%20b%3A8000/1%2B2/~x'}?object-lock="
    assert httpx.Request("GET", url).url.raw_path == b"/bucket/a%20b%3A8000/1%2B2/~x?object-lock="

"""`kind: s3`: each checkpoint is an object under S3 Object Lock in compliance mode, which nobody can remove in time."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import ClassVar, Self
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from audit.anchors.base import (
    AnchorFailed,
    Deadline,
    Options,
    Receipt,
    ask,
    check_continues,
    read_checkpoint,
    read_secret,
)
from audit.exchange import Answer
from console.core.sigv4 import Signer, sign

LOCK = "x-amz-object-lock-"
NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class S3Anchor:
    endpoint: str
    bucket: str
    region: str
    prefix: str
    access_key_id: str
    secret_key_file: str
    retain_days: int
    seconds: float
    session_token_file: str = ""
    ca_file: str = ""
    kind: ClassVar[str] = "s3"

    @classmethod
    def read(cls, options: Options) -> Self:
        bucket = options.text("bucket")
        if not all(c.isascii() and (c.isalnum() or c in ".-_") for c in bucket):
            raise options.wrong("bucket", "is not the name of a bucket")
        return cls(
            options.url("endpoint").rstrip("/"), bucket, options.text("region", "us-east-1"),
            options.text("prefix", "checkpoints/"), options.text("access_key_id"), str(options.path("secret_key_file")),
            options.number("retain_days", 1, 36500), options.seconds(), options.file("session_token_file"),
            options.file("ca_file"),
        )  # fmt: skip

    def signer(self) -> Signer:
        token = read_secret("session_token_file", self.session_token_file) if self.session_token_file else ""
        secret = read_secret("secret_key_file", self.secret_key_file)
        return Signer(self.access_key_id, secret, self.region, "s3", token)

    def anchor(self, note: str, *, origin: str, size: int) -> Receipt:
        """The receipt tells version, digest and end of the lock, as the store told them afterwards."""
        checkpoint = read_checkpoint(note, origin, size)
        store = Store(self, Deadline(self.seconds))
        store.check_lock()
        key = f"{self.prefix}{origin}/{size:020d}"
        kept = store.put(key, note.encode())
        if kept is not None:
            check_continues(kept, checkpoint)
        told = store.check_kept(key)
        version = told.get("x-amz-version-id", "")
        facts = {"version": version, "etag": told.get("etag", ""), "retain-until": told[f"{LOCK}retain-until-date"]}
        data = "".join(f"{name} {value}\n" for name, value in facts.items())
        return Receipt(data.encode(), f"{self.endpoint}/{self.bucket}/{key}?versionId={quote(version)}")


@dataclass(frozen=True)
class Store:
    anchor: S3Anchor
    deadline: Deadline

    def check_lock(self) -> None:
        answer = self._ask("GET", "", {"object-lock": ""})
        if answer.status == 404:
            raise AnchorFailed("The bucket is not there, or has no Object Lock.")
        expect(answer, 200)
        if found(answer, "ObjectLockEnabled") != "Enabled":
            raise AnchorFailed("The bucket has no Object Lock.")

    def put(self, key: str, note: bytes) -> str | None:
        """None when it is new; else what is already there, which is never replaced."""
        until = datetime.now(UTC) + timedelta(days=self.anchor.retain_days)
        headers = {
            "content-type": "text/plain; charset=utf-8", "if-none-match": "*", f"{LOCK}mode": "COMPLIANCE",
            f"{LOCK}retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "content-md5": b64encode(md5(note, usedforsecurity=False).digest()).decode(),
        }  # fmt: skip
        answer = self._ask("PUT", key, {}, headers, note)
        if answer.status != 412:
            expect(answer, 200)
            return None
        there = self._ask("GET", key, {})
        expect(there, 200)
        return there.body.decode(errors="replace")

    def check_kept(self, key: str) -> Mapping[str, str]:
        """There are stores that take the headers of a lock, and lock nothing."""
        answer = self._ask("HEAD", key, {})
        expect(answer, 200)
        until = answer.headers.get(f"{LOCK}retain-until-date", "")
        if answer.headers.get(f"{LOCK}mode") != "COMPLIANCE" or not is_future(until):
            raise AnchorFailed("The object is there, and is not locked in compliance mode.")
        return answer.headers

    def _ask(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str] = NONE, body: bytes = b"",
    ) -> Answer:  # fmt: skip
        anchor = self.anchor
        path = f"/{anchor.bucket}/{quote(key, safe='/-_.~')}" if key else f"/{anchor.bucket}"
        target = urlsplit(f"{anchor.endpoint}{path}?{urlencode(query, quote_via=quote)}")
        given = {**headers, "host": target.netloc}
        signed = sign(anchor.signer(), method, target.path, target.query, given, body, now=datetime.now(UTC))
        return ask("The store", method, target.geturl(), body, {**given, **signed}, self.deadline, anchor.ca_file)


def expect(answer: Answer, status: int) -> None:
    if answer.status != status:
        raise AnchorFailed(f"The store answered {answer.status} {found(answer, 'Code')}".strip() + ".")


def found(answer: Answer, tag: str) -> str:
    """Text of the first element of this name, in whatever namespace; "" when there is none."""
    try:
        tree = ElementTree.fromstring(answer.body)  # noqa: S314  (expat expands no bombs since 2.4.1)
    except ElementTree.ParseError:
        return ""
    return next((element.text or "" for element in tree.iter() if element.tag.rpartition("}")[2] == tag), "")


def is_future(text: str) -> bool:
    try:
        return datetime.fromisoformat(text) > datetime.now(UTC)
    except (ValueError, TypeError):
        return False

"""`kind: s3`: each checkpoint is an object under S3 Object Lock in compliance mode, which nobody can remove in time.

Requests are signed here (AWS Signature Version 4), because that is one page, and the library for it is thousands.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from typing import ClassVar, Self
from urllib.parse import quote, urlsplit
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
        anchor, given = self.anchor, dict(headers)
        if anchor.session_token_file:
            given["x-amz-security-token"] = read_secret("session_token_file", anchor.session_token_file)
        secret = read_secret("secret_key_file", anchor.secret_key_file)
        path = f"/{anchor.bucket}/{quote(key, safe='/-_.~')}" if key else f"/{anchor.bucket}"
        url = f"{anchor.endpoint}{path}" + (f"?{canonical_query(query)}" if query else "")
        signed = sign(method, url, given, body, anchor.region, anchor.access_key_id, secret, datetime.now(UTC))
        return ask("The store", method, url, body, signed, self.deadline, anchor.ca_file)


def sign(
    method: str, url: str, headers: Mapping[str, str], body: bytes, region: str, access_key_id: str, secret: str,
    now: datetime,
) -> dict[str, str]:  # fmt: skip
    """The headers with those of AWS Signature Version 4. The URL has to be encoded already."""
    parts, moment = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    digest = sha256(body).hexdigest()
    every = {**headers, "host": parts.netloc, "x-amz-date": moment, "x-amz-content-sha256": digest}
    names = ";".join(sorted(every))
    lines = "".join(f"{name}:{every[name].strip()}\n" for name in sorted(every))
    request = f"{method}\n{parts.path or '/'}\n{parts.query}\n{lines}\n{names}\n{digest}"
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**every, "authorization": f"AWS4-HMAC-SHA256 {credential}"}


def canonical_query(query: Mapping[str, str]) -> str:
    """By name, not by the whole pair: "0=" comes before "00="."""
    pairs = sorted((quote(key, safe=""), quote(value, safe="")) for key, value in query.items())
    return "&".join(f"{key}={value}" for key, value in pairs)


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

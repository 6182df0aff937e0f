"""AWS Signature Version 4, over a request as it will be written. Pure: one page, where the library for it is thousands.

Source: AWS, "Create a signed AWS API request".
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from posixpath import normpath
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
AS_WRITTEN = frozenset({"s3"})  # services that sign a path as it is; the others sign it tidied and encoded once more


@dataclass(frozen=True, slots=True)
class Signer:
    access_key_id: str
    secret: str = field(repr=False)
    region: str
    service: str
    session_token: str = field(default="", repr=False)

    def key(self, day: str) -> bytes:
        key = f"AWS4{self.secret}".encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def sign(
    signer: Signer, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> dict[str, str]:
    """The headers to add. Path and query are encoded already; all of `headers` are signed, and `host` is among them."""
    moment, digest = now.strftime("%Y%m%dT%H%M%SZ"), sha256(body).hexdigest()
    added = {"x-amz-date": moment, "x-amz-content-sha256": digest}
    if signer.session_token:
        added["x-amz-security-token"] = signer.session_token
    every = {name.lower(): " ".join(value.split()) for name, value in {**headers, **added}.items()}
    names = ";".join(sorted(every))
    lines = "".join(f"{name}:{every[name]}\n" for name in sorted(every))
    path = path or "/" if signer.service in AS_WRITTEN else quote(_tidied(path), safe="/~")
    request = f"{method}\n{path}\n{canonical_query(query)}\n{lines}\n{names}\n{digest}"
    scope = f"{moment[:8]}/{signer.region}/{signer.service}/aws4_request"
    text = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(signer.key(moment[:8]), text.encode(), "sha256").hex()
    said = f"Credential={signer.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**added, "authorization": f"{ALGORITHM} {said}"}


def canonical_query(query: str) -> str:
    """By name, not by the whole pair: "0=" comes before "00="."""
    parts = (part.partition("=") for part in query.split("&") if part)
    pairs = sorted((_encoded(name), _encoded(value)) for name, _, value in parts)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _encoded(part: str) -> str:
    return quote(unquote_to_bytes(part.replace("+", " ")), safe="")


def _tidied(path: str) -> str:
    """Without empty and dot segments (RFC 3986 §5.2.4); a slash at the end stays."""
    tidied = "/" + normpath(f"/{path}").lstrip("/")
    return tidied + ("/" if path.endswith("/") and tidied != "/" else "")

"""The signature, held against that of its makers."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.sigv4 import Signer, sign

MOMENT = datetime(2026, 11, 21, 7, 30, 15, tzinfo=UTC)
WORDS = st.text("abcXYZ019-_.~/ %:+é*&=", min_size=1, max_size=20)
HEADERS = st.dictionaries(
    st.sampled_from(["If-None-Match", "content-type", "x-amz-b"]), st.sampled_from(["v", "v 1", "a  b   c"])
)


def theirs(service: str, method: str, url: str, query: dict[str, str], headers: dict[str, str], body: bytes, token: str,
           patch: pytest.MonkeyPatch) -> Any:  # fmt: skip
    auth, awsrequest, credentials = (
        pytest.importorskip(f"botocore.{name}") for name in ("auth", "awsrequest", "credentials")
    )
    request = awsrequest.AWSRequest(method, url, headers=dict(headers), data=body, params=query)
    held = credentials.Credentials("AKID", "a-secret", token or None)
    signer = (auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth)(held, service, "eu-central-1")
    patch.setattr(auth, "get_current_datetime", lambda *_: MOMENT.replace(tzinfo=None))
    if service == "s3":
        patch.setattr(signer, "_should_sha256_sign_payload", lambda request: True)
    else:  # sends the hash where it was given, and signs it then
        request.headers["X-Amz-Content-SHA256"] = signer.payload(request)
    signer.add_auth(request)
    return request.headers


@given(st.data())
def test_requests_are_signed_as_the_makers_sign_them(data: st.DataObject) -> None:
    service, method = (
        data.draw(st.sampled_from(["s3", "iam", "execute-api"])),
        data.draw(st.sampled_from(["PUT", "GET"])),
    )
    query = data.draw(st.dictionaries(WORDS, WORDS | st.just(""), max_size=3))
    path = "/" + quote(
        data.draw(WORDS | st.just("") | st.sampled_from(["a//b/", "a/./b/../c", "..", "a%2Fb/"])), safe="/"
    )
    headers, body = data.draw(HEADERS), data.draw(st.binary(max_size=50))
    token = data.draw(st.sampled_from(["", "a-token"]))
    signer = Signer("AKID", "a-secret", "eu-central-1", service, token)
    written = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
    spaces = data.draw(st.booleans())
    ours = sign(signer, method, path, written.replace("%20", "+") if spaces else written,
                {**headers, "Host": "a.example:9000"}, body, now=MOMENT)  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        known = theirs(service, method, f"https://a.example:9000{path}", query, headers, body, token, patch)
    assert ours["authorization"] == known["Authorization"]
    assert (ours.get("x-amz-security-token", ""), ours["x-amz-date"]) == (token, known["X-Amz-Date"])


def test_the_example_of_the_documentation_is_signed_alike() -> None:
    """AWS, "Signature Calculations for the Authorization Header", example "GET Object"."""
    signer = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3")
    headers = {"host": "examplebucket.s3.amazonaws.com", "range": "bytes=0-9"}
    signed = sign(signer, "GET", "/test.txt", "", headers, b"", now=datetime(2013, 5, 24, tzinfo=UTC))
    wanted = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert signed["authorization"].endswith(f"Signature={wanted}")


def test_a_signer_shows_no_secret() -> None:
    assert "a-secret" not in repr(Signer("AKID", "a-secret", "r", "s", "a-secret-token"))

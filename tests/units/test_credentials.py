"""Each way to sign in, as a peer sees it: a real server, and the verifiers of other people."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Tampered
from integrations.credential_types import TYPES, pack
from integrations.description import Description
from integrations.injection import Injected, filled
from integrations.outbound import NotSent, _AgreedPool, _lines, _request, _without, send
from integrations.render import Rendered, render
from tests.units.signing_in import ARGUMENTS, CREDENTIALS, KEY, Peer, Sent, ask, peer

__all__ = ["peer"]


def test_nothing_is_added_where_nobody_signs_in(peer: Peer) -> None:
    _, sent = ask(peer, "none", {})
    assert sent.headers.keys() == {
        "Host", "Accept", "Accept-Encoding", "User-Agent", "X-Tag", "Content-Type", "Content-Length", "traceparent",
    }  # fmt: skip


def test_a_bearer_token_is_in_its_header(peer: Peer) -> None:
    assert ask(peer, "bearer", {"token": KEY})[1].headers["Authorization"] == f"Bearer {KEY}"
    assert ask(peer, "bearer", KEY)[1].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("password", [KEY, ""])
def test_user_and_password_are_what_a_server_decodes(peer: Peer, password: str) -> None:
    _, sent = ask(peer, "basic", {"user": "dana", "password": password})
    scheme, _, pair = sent.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair).decode().split(":", 1)) == ("Basic", ["dana", password])


@pytest.mark.parametrize(("prefix", "ahead"), [({}, ""), ({"prefix": "Token"}, "Token ")])
def test_a_key_is_in_the_header_that_the_integration_names(peer: Peer, prefix: dict[str, str], ahead: str) -> None:
    for name in ("X-Api-Key", "Authorization"):
        _, sent = ask(peer, "header", {"key": KEY}, {"header": name, **prefix})
        assert sent.headers[name] == ahead + KEY


@pytest.mark.parametrize("arguments", [ARGUMENTS, {"p": "1"}])
def test_a_key_is_the_last_parameter_of_the_query(peer: Peer, arguments: dict[str, str]) -> None:
    _, sent = ask(peer, "query", {"key": KEY}, {"parameter": "api key"}, arguments)
    query = parse_qsl(sent.target.partition("?")[2])
    assert query == [("v", "1 2"), *([("q", "é+&")] if "q" in arguments else []), ("api key", KEY)]


def test_a_request_without_a_query_gets_one(peer: Peer) -> None:
    rendered = render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=peer.url, key="k")
    send(rendered, expected=rendered.digest, secret=pack("query", {}, KEY), credential_type="query",
         settings={"parameter": "key"})  # fmt: skip
    assert peer.seen[-1].target == f"/l?key={quote(KEY, safe='')}"


@pytest.mark.parametrize("token", ["", "a-session-token"])
def test_a_request_is_signed_as_it_was_written(peer: Peer, token: str) -> None:
    """The peer's own library signs what arrived, and gets the same signature."""
    auth, awsrequest, credentials = (
        pytest.importorskip(f"botocore.{name}") for name in ("auth", "awsrequest", "credentials")
    )
    parts = {"access_key_id": "AKID", "secret_access_key": KEY, **({"session_token": token} if token else {})}
    _, sent = ask(peer, "sigv4", parts, {"region": "us-east-1", "service": "iam"})
    said = dict(one.split("=", 1) for one in sent.headers["Authorization"].partition(" ")[2].split(", "))
    path, _, query = sent.target.partition("?")
    names = said["SignedHeaders"].split(";")
    request = awsrequest.AWSRequest(
        sent.method, peer.url + path, params=dict(parse_qsl(query)), data=sent.body,
        headers={name: value for name, value in sent.headers.items() if name.lower() in names},
    )  # fmt: skip
    request.context["timestamp"] = sent.headers["X-Amz-Date"]
    signer = auth.SigV4Auth(credentials.Credentials("AKID", KEY, token or None), "iam", "us-east-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert signer.signature(text, request) == said["Signature"]
    assert set(names) >= {"host", "content-type", "x-tag", "x-amz-date", "x-amz-content-sha256"}
    assert ("x-amz-security-token" in names, "traceparent" in names) == (bool(token), False)


SIGNED: dict[str, tuple[dict[str, str], Callable[[Sent], bytes]]] = {
    "plain": ({}, lambda sent: sent.body),
    "with time": (
        {"signs": "{timestamp}.{body}", "value": "t={timestamp},v1={signature}"},
        lambda sent: sent.headers["X-Signature"][2:].partition(",")[0].encode() + b"." + sent.body,
    ),
    "canonical": (
        {"signs": "{method}\n{host}\n{target}\n{path}\n{query}\n{body_sha256}\n{key_id}", "encoding": "base64",
         "algorithm": "sha512", "timestamp_header": "X-Time", "key_header": "X-Key", "value": "HMAC {signature}"},
        lambda sent: "\n".join([
            sent.method, sent.headers["Host"], sent.target, *sent.target.split("?"),
            hashlib.sha256(sent.body).hexdigest(), sent.headers["X-Key"],
        ]).encode(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNED)
def test_a_shared_secret_signs_what_the_integration_says(peer: Peer, name: str) -> None:
    settings, signed = SIGNED[name]
    _, sent = ask(peer, "hmac", {"secret": KEY, "key_id": "key-1"}, {"header": "X-Signature", **settings})
    made = hmac.new(KEY.encode(), signed(sent), settings.get("algorithm", "sha256"))
    wanted = base64.b64encode(made.digest()).decode() if "encoding" in settings else made.hexdigest()
    assert sent.headers["X-Signature"].endswith(wanted)
    if "timestamp_header" in settings:
        assert abs(int(sent.headers["X-Time"]) - time.time()) < 60


def test_a_body_that_looks_like_a_place_is_signed_as_it_is(peer: Peer) -> None:
    settings = {"header": "X-Signature", "signs": "{body}{path}"}
    arguments = {"p": "{method}", "b": "{timestamp}"}
    _, sent = ask(peer, "hmac", {"secret": KEY}, settings, arguments)
    text = sent.body + sent.target.partition("?")[0].encode()
    assert sent.headers["X-Signature"] == hmac.new(KEY.encode(), text, "sha256").hexdigest()
    assert filled("{a}{b}", {"a": b"{b}", "b": b"{a}"}) == b"{b}{a}"


def test_every_type_is_tried() -> None:
    """Client certificates in a file of their own, and what needs a token first in `tests/gateway`."""
    assert CREDENTIALS.keys() | {"mtls", "oauth2_client", "oauth2_code"} == TYPES.keys()


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_what_a_peer_says_back_holds_no_secret(peer: Peer, kind: str) -> None:
    parts, settings = CREDENTIALS[kind]
    answer, sent = ask(peer, kind, parts, settings)
    said = json.dumps(answer.body)
    hidden = [KEY, quote(KEY, safe=""), quote_plus(KEY), json.dumps(json.dumps(KEY)[1:-1])[1:-1], KEY.encode().hex(),
              *(base64.b64encode(bytes(ahead) + KEY.encode()).decode()[4:20] for ahead in range(3))]  # fmt: skip
    assert [form for form in hidden if form in said] == []
    assert ("[redacted]" in said) == (kind not in ("none", "hmac"))
    if kind == "basic":
        assert sent.headers["Authorization"].partition(" ")[2] not in said


def test_a_user_without_a_password_is_the_secret(peer: Peer) -> None:
    answer, sent = ask(peer, "basic", {"user": KEY})
    assert sent.headers["Authorization"].partition(" ")[2] not in str(answer.body)
    kept, _ = ask(peer, "basic", {"user": "dana-of-ops", "password": KEY}, arguments={"p": "dana-of-ops"})
    assert "dana-of-ops" in str(kept.body)


# What arguments and wires must not do


@pytest.mark.parametrize("name", ["api_key", "API_KEY", "api%5Fkey", " api_key", "x;api_key"])
def test_a_query_that_names_the_credentials_parameter_is_never_written(peer: Peer, name: str) -> None:
    rendered = Rendered(
        "GET", "http", "127.0.0.1", int(peer.url.rpartition(":")[2]), "/", f"a=1&{name}=mine", "", (), b""
    )
    with pytest.raises(NotSent, match="already, which is for the credential"):
        send(rendered, expected=rendered.digest, secret=pack("query", {}, KEY), credential_type="query",
             settings={"parameter": "api_key"})  # fmt: skip
    assert peer.seen == []


@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key"])
def test_a_header_that_names_the_credentials_is_never_written(peer: Peer, name: str) -> None:
    rendered = Rendered(
        "GET", "http", "127.0.0.1", int(peer.url.rpartition(":")[2]), "/", "", "", ((name, "mine"),), b""
    )
    with pytest.raises(NotSent, match="already, which is for the credential"):
        send(rendered, expected=rendered.digest, secret=pack("header", {}, KEY), credential_type="header",
             settings={"header": "X-Api-Key"})  # fmt: skip
    assert peer.seen == []


class _Written(Exception):
    pass


def lets_pass(request: httpcore.Request) -> bool:
    class Stop(httpcore.NetworkBackend):
        def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
            raise _Written

    with _AgreedPool(network_backend=Stop()) as pool:
        try:
            pool.handle_request(request)
        except _Written:
            return True
        except Tampered:
            return False
    raise AssertionError("neither written nor refused")


def queried(agreed: str, injected: str) -> httpcore.Request:
    rendered = Rendered("GET", "http", "h.example", 80, "/", agreed, "", (), b"")
    return _request(rendered, _lines(rendered, {}), Injected(query=injected), rendered.digest)


def with_target(request: httpcore.Request, target: str) -> httpcore.Request:
    request.url.target = target.encode()
    return request


@pytest.mark.parametrize("agreed", ["", "a=1", "a=1&b=2", "a=1&", "&"])
def test_only_what_the_credential_adds_is_taken_off_before_the_comparison(agreed: str) -> None:
    ahead = f"{agreed}&" if agreed else ""
    assert lets_pass(queried(agreed, "k=s"))
    smuggled = ["x=1", "k=s&x=1", "x=1&k=s", f"{ahead}k=s&k=s", f"{ahead}k=s&x=1", f"{ahead}x=1&k=s", f"{ahead}xk=s",
                f"{ahead}k=t", f"{ahead}k=s&", agreed, f"k=s&{agreed}" if agreed else "k=s2"]  # fmt: skip
    assert [one for one in smuggled if lets_pass(with_target(queried(agreed, "k=s"), f"/?{one}"))] == []


@given(st.text("ak=&", max_size=12), st.sampled_from(["k=s", "k=", "a=k=s"]))
def test_taking_off_is_the_reverse_of_adding(agreed: str, injected: str) -> None:
    assert _without("&".join(filter(None, (agreed, injected))), injected) == agreed

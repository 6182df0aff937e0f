"""Each way to sign in, as a peer sees it: a real server, and the verifiers of other people."""

import base64
import dataclasses
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Invalid, Tampered
from integrations.credential_types import TYPES, check_settings, in_words, pack, unpack
from integrations.description import Description, parse
from integrations.injection import Injected
from integrations.outbound import Answer, NotSent, _AgreedPool, _lines, _request, _without, send
from integrations.render import Rendered, render

KEY = 'k3y/"\\+&=<7Qz9Xv3>'


class Sent(NamedTuple):
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclasses.dataclass
class Peer:
    """Keeps what it was sent and says all of it back, in four encodings."""

    url: str
    seen: list[Sent]


@pytest.fixture
def peer() -> Iterator[Peer]:
    seen: list[Sent] = []

    def answer(self: http.server.BaseHTTPRequestHandler) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen.append(Sent(self.command, self.path, dict(self.headers), body))
        said = [self.path, *self.headers.values()]
        said += [one.partition(" ")[2] for one in said]
        echoed = [form for one in said for form in (one, quote(one), quote_plus(one), json.dumps(one),
                  base64.b64encode(one.encode()).decode(), one.encode().hex())]  # fmt: skip
        content = json.dumps({"echoed": echoed}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    quiet = {"do_GET": answer, "do_POST": answer, "log_message": lambda *_: None}
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Peer", (http.server.BaseHTTPRequestHandler,), quiet)
    )
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Peer(f"http://127.0.0.1:{server.server_address[1]}", seen)
    server.shutdown()
    server.server_close()


POST = Description("act", {
    "title": "Act", "effect": "write", "method": "POST", "path": "/a/{p}", "body": "form", "fixed": [["v", "1 2"]],
    "arguments": {"p": {"in": "path", "schema": {}}, "q": {"in": "query", "schema": {}},
                  "b": {"in": "body", "schema": {}}, "x": {"in": "header", "name": "X-Tag", "schema": {}}},
})  # fmt: skip
ARGUMENTS = {"p": "c/d", "q": "é+&", "b": "z", "x": "t  u"}


def ask(peer: Peer, kind: str, parts: Mapping[str, str] | str, settings: Mapping[str, str] | None = None,
        arguments: Mapping[str, Any] = ARGUMENTS) -> tuple[Answer, Sent]:  # fmt: skip
    rendered = render(POST, arguments, base_url=peer.url, key="k")
    answer = send(rendered, expected=rendered.digest, secret=pack(kind, parts), credential_type=kind, once=True,
                  settings=check_settings(kind, settings or {}), headers={"traceparent": "00-1"})  # fmt: skip
    return answer, peer.seen[-1]


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
    send(rendered, expected=rendered.digest, secret=pack("query", KEY), credential_type="query", once=True,
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


CREDENTIALS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "bearer": ({"token": KEY}, {}),
    "basic": ({"user": "dana", "password": KEY}, {}),
    "header": ({"key": KEY}, {"header": "X-Api-Key", "prefix": "Token"}),
    "query": ({"key": KEY}, {"parameter": "api_key"}),
    "sigv4": ({"access_key_id": "AKID", "secret_access_key": KEY, "session_token": f"t{KEY}"},
              {"region": "us-east-1", "service": "iam"}),
    "none": ({}, {}),
}  # fmt: skip


def test_every_type_is_tried() -> None:
    assert CREDENTIALS.keys() == TYPES.keys()


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_what_a_peer_says_back_holds_no_secret(peer: Peer, kind: str) -> None:
    parts, settings = CREDENTIALS[kind]
    answer, sent = ask(peer, kind, parts, settings)
    said = json.dumps(answer.body)
    hidden = [KEY, quote(KEY, safe=""), quote_plus(KEY), json.dumps(json.dumps(KEY)[1:-1])[1:-1], KEY.encode().hex(),
              *(base64.b64encode(bytes(ahead) + KEY.encode()).decode()[4:20] for ahead in range(3))]  # fmt: skip
    assert [form for form in hidden if form in said] == []
    assert ("[redacted]" in said) == (kind != "none")
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
        send(rendered, expected=rendered.digest, secret=pack("query", KEY), credential_type="query",
             settings={"parameter": "api_key"})  # fmt: skip
    assert peer.seen == []


@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key"])
def test_a_header_that_names_the_credentials_is_never_written(peer: Peer, name: str) -> None:
    rendered = Rendered(
        "GET", "http", "127.0.0.1", int(peer.url.rpartition(":")[2]), "/", "", "", ((name, "mine"),), b""
    )
    with pytest.raises(NotSent, match="already, which is for the credential"):
        send(rendered, expected=rendered.digest, secret=pack("header", KEY), credential_type="header",
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


# Settings and parts


WRONG_SETTINGS: dict[str, tuple[str, dict[str, object], str]] = {
    "an unknown one": ("bearer", {"header": "X"}, r"^credential.header: is not of this type, which has none$"),
    "a missing one": ("header", {}, r"^credential.header: is missing$"),
    "a header of the console's own": ("header", {"header": "Host"}, r"^credential.header: must be the name"),
    "a header of the trace": ("header", {"header": "Traceparent"}, r"^credential.header: must be the name"),
    "two lines": ("header", {"header": "X-A\r\nX-B"}, r"^credential.header: must be the name"),
    "a prefix of two lines": ("header", {"header": "X", "prefix": "a\r\nb"}, r"^credential.prefix: must be printable"),
    "a region that is none": ("sigv4", {"region": "us east", "service": "iam"}, r"^credential.region: must be of a-z"),
    "a scope within a region": ("sigv4", {"region": "a/b", "service": "iam"}, r"^credential.region: must be of a-z"),
    "no text": ("query", {"parameter": ["a"]}, r"^credential.parameter: must be text$"),
    "a type that is none": ("magic", {}, r"^'magic' is no type of credential"),
}


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_wrong_settings_are_refused_with_their_place(name: str) -> None:
    kind, settings, says = WRONG_SETTINGS[name]
    with pytest.raises(Invalid, match=says):
        check_settings(kind, settings)


WRONG_PARTS: dict[str, tuple[str, Any, str]] = {
    "an unknown one": ("bearer", {"token": KEY, "user": "u"}, "^user: is not of this type, which has token$"),
    "a missing one": ("sigv4", {"access_key_id": "AKID"}, "^secret_access_key: is missing$"),
    "an empty text": ("bearer", "", "^token: is missing$"),
    "a text for two parts": ("basic", KEY, "^A credential of type basic has the parts user, password.$"),
    "a user with a colon": ("basic", {"user": "a:b", "password": KEY}, "^user: must be without a colon$"),
    "two lines": ("bearer", f"{KEY}\r\nX-Evil: 1", "^token: must be printable"),
    "two lines in a query": ("query", f"{KEY}\n", "^key: must be printable"),
    "two lines in a password": ("basic", {"user": "u", "password": f"{KEY}\n{KEY}"}, "^password: must be printable"),
    "too much": ("bearer", "x" * 8_001, "^token: must be printable"),
    "no text": ("bearer", {"token": None}, "^token: must be text$"),
}


@pytest.mark.parametrize("name", WRONG_PARTS)
def test_wrong_parts_are_refused_without_being_quoted(name: str) -> None:
    kind, secret, says = WRONG_PARTS[name]
    with pytest.raises(Invalid, match=says) as refusal:
        pack(kind, secret)
    assert "7Qz9Xv3" not in str(refusal.value)


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_parts_come_out_of_the_seal_as_they_went_in(kind: str) -> None:
    parts, settings = CREDENTIALS[kind]
    opened = unpack(kind, settings, pack(kind, parts))
    assert (opened.kind, opened.parts) == (TYPES[kind], parts)
    assert KEY not in repr(opened)


@pytest.mark.parametrize(("kind", "parts"), [("bearer", {"token": "{}"}), ("basic", {"user": "{}"}), ("none", {})])
def test_a_secret_that_was_sealed_as_plain_text_still_works(kind: str, parts: dict[str, str]) -> None:
    """As every secret was before there were parts; of basic it was the user."""
    assert unpack(kind, {}, "{}").parts == parts


def test_a_plain_secret_goes_out_as_before(peer: Peer) -> None:
    rendered = render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=peer.url, key="k")
    for kind, wanted in {
        "bearer": f"Bearer {KEY}",
        "basic": f"Basic {base64.b64encode(f'{KEY}:'.encode()).decode()}",
    }.items():
        send(rendered, expected=rendered.digest, secret=KEY, credential_type=kind, once=True)
        assert peer.seen[-1].headers["Authorization"] == wanted


@pytest.mark.parametrize("now", ["header", "query", "sigv4", "basic", "none"])
def test_a_secret_is_sent_in_no_other_way_than_it_was_sealed_for(peer: Peer, now: str) -> None:
    """An admin may describe the integration anew, with another way to sign in."""
    rendered = render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=peer.url, key="k")
    with pytest.raises(NotSent, match="Seal it anew"):
        send(
            rendered,
            expected=rendered.digest,
            secret=pack("bearer", KEY),
            credential_type=now,
            settings={"header": "X-K"},
        )
    assert peer.seen == []


def test_a_type_that_nobody_could_have_stored_is_tampering(peer: Peer) -> None:
    rendered = render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=peer.url, key="k")
    with pytest.raises(Tampered, match="'magic'"):
        send(rendered, expected=rendered.digest, secret=KEY, credential_type="magic")


def described(credential: str) -> Callable[[], tuple[Mapping[str, Any], Any]]:
    operations = "operations: {look: {title: L, effect: read, method: GET, path: /l}}"
    return lambda: parse(f"integration: crm\ntitle: CRM\ncredential: {credential}\n{operations}\n")


def test_a_description_holds_the_settings_of_its_type() -> None:
    head, _ = described("{type: sigv4, region: us-east-1, service: iam}")()
    assert (head["credential_type"], head["credential_settings"]) == (
        "sigv4", {"region": "us-east-1", "service": "iam"},
    )  # fmt: skip
    assert described("{type: bearer}")()[0]["credential_settings"] == {}
    for wrong, says in {
        "{type: header}": "^credential.header: is missing$",
        "{type: bearer, region: us-east-1}": "^credential.region: is not of this type",
        "{type: header, header: [a]}": r"^credential.header \(line 3\)",
    }.items():
        with pytest.raises(Invalid, match=says):
            described(wrong)()


def test_a_way_to_sign_in_is_told_in_words() -> None:
    told = in_words("sigv4", {"service": "iam", "region": "us-east-1"})
    assert told == "AWS Signature Version 4, region us-east-1, service iam"
    assert (in_words("none", {}), in_words("magic", {})) == ("Nothing", "magic")

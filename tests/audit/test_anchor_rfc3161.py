"""Time stamps of a real authority: `openssl ts` behind HTTP."""

import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.anchors import AnchorFailed, Receipt, build
from tests.audit.growing import Log
from tests.audit.peers import PASSWORD, USER, Authority, certificate, openssl, serving


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "tsa")


@pytest.fixture
def url(authority: Authority) -> Iterator[str]:
    with serving(authority.respond) as server:
        yield server.url


def anchor(url: str, authority: Authority, log: Log, **changes: Any) -> Receipt:
    config = {"kind": "rfc3161", "url": url, "tsa_ca_file": str(authority.cert)}
    return build({**config, **changes}).anchor(log.note(), origin=log.origin, size=log.size)


def test_the_receipt_is_a_time_stamp_that_anybody_can_verify(url: str, authority: Authority, tmp_path: Path) -> None:
    log = Log().grow(5)
    receipt = anchor(url, authority, log)
    note, answer = tmp_path / "note", tmp_path / "answer.tsr"
    note.write_text(log.note())
    answer.write_bytes(receipt.data)
    verified = openssl("ts", "-verify", "-data", note, "-in", answer, "-CAfile", authority.cert)
    assert b"Verification: OK" in verified
    assert b"Time stamp:" in openssl("ts", "-reply", "-in", answer, "-text")
    assert receipt.place == url


def test_an_authority_under_a_chain_is_accepted_with_the_chain(tmp_path: Path) -> None:
    root = certificate(tmp_path / "root", "root.example", "basicConstraints=critical,CA:TRUE")
    authority = Authority.make(tmp_path / "tsa")
    request = openssl("req", "-new", "-key", authority.key, "-subj", "/CN=tsa.example")
    extensions = tmp_path / "extensions"
    extensions.write_text("extendedKeyUsage=critical,timeStamping\n")
    issued = openssl("x509", "-req", "-CA", root[0], "-CAkey", root[1], "-CAcreateserial", "-days", "2", "-extfile",
                     extensions, given=request)  # fmt: skip
    authority.cert.write_bytes(issued)
    with serving(authority.respond) as server:
        chained = {"tsa_ca_file": str(root[0]), "tsa_chain_file": str(authority.cert)}
        assert anchor(server.url, authority, Log().grow(1), **chained).data


def test_an_authority_that_the_auditor_does_not_trust_is_refused(
    url: str, authority: Authority, tmp_path: Path
) -> None:
    other = Authority.make(tmp_path / "other")
    with pytest.raises(AnchorFailed, match=r"^The time stamp does not hold: .*[Vv]erif"):
        anchor(url, authority, Log().grow(1), tsa_ca_file=str(other.cert))


def test_a_certificate_that_is_not_for_time_stamps_is_refused(tmp_path: Path) -> None:
    """The program of the authority would not use it; a forger's does."""
    authority = Authority.make(tmp_path / "tsa")
    log = Log().grow(1)
    plain = openssl("x509", "-new", "-subj", "/CN=tsa.example", "-key", authority.key, "-days", "2")
    with serving(authority.respond) as server:
        kept = authority.cert.read_bytes()
        authority.cert.with_name("plain.pem").write_bytes(plain)
        with pytest.raises(AnchorFailed, match=r"^The time stamp does not hold: "):
            anchor(server.url, authority, log, tsa_ca_file=str(authority.cert.with_name("plain.pem")))
    assert authority.cert.read_bytes() == kept


def test_a_stamp_of_something_else_or_of_an_earlier_query_is_refused(url: str, authority: Authority) -> None:
    log = Log().grow(5)
    earlier = anchor(url, authority, log).data
    authority.answers = lambda query, answer: earlier
    with pytest.raises(AnchorFailed, match=r"^The time stamp does not hold: .*nonce"):
        anchor(url, authority, log)
    with pytest.raises(AnchorFailed, match=r"^The time stamp does not hold: "):
        anchor(url, authority, log.grow(1))


@pytest.mark.parametrize("answer", [b"", b"<html>", bytes(2000), b"x" * 2_000_000])
def test_an_answer_that_is_no_time_stamp_is_refused(url: str, authority: Authority, answer: bytes) -> None:
    authority.answers = lambda query, made: answer
    with pytest.raises(AnchorFailed):
        anchor(url, authority, Log().grow(1))


def test_a_stamp_with_a_bit_turned_over_is_refused(url: str, authority: Authority) -> None:
    authority.answers = lambda query, answer: answer[:-9] + bytes([answer[-9] ^ 1]) + answer[-8:]
    with pytest.raises(AnchorFailed, match=r"^The time stamp does not hold: "):
        anchor(url, authority, Log().grow(1))


def test_an_authority_that_answers_with_an_error_is_told(authority: Authority) -> None:
    with (
        serving(lambda request, body: (503, {}, b"later")) as server,
        pytest.raises(AnchorFailed, match=r"^The time-stamp authority answered 503\.$"),
    ):
        anchor(server.url, authority, Log().grow(1))


def test_an_answer_that_leads_elsewhere_is_not_followed(url: str, authority: Authority) -> None:
    with (
        serving(lambda request, body: (307, {"Location": url}, b"")) as server,
        pytest.raises(AnchorFailed, match=r"^The time-stamp authority answered 307\.$"),
    ):
        anchor(server.url, authority, Log().grow(1))
    assert authority.queries == []


def test_authorities_that_cannot_be_read_are_told(url: str, authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(AnchorFailed, match="nowhere"):
        anchor(url, authority, Log().grow(1), tsa_ca_file=str(tmp_path / "nowhere"))


def test_without_openssl_it_says_so(url: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AnchorFailed, match=r"^openssl cannot be started: No such file or directory\.$"):
        anchor(url, authority, Log().grow(1))


def test_over_https_it_signs_in_with_the_password_of_the_file(authority: Authority, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path / "tls")
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    wanted = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"

    def respond(request: Any, body: bytes) -> Any:
        return authority.respond(request, body) if request.headers["Authorization"] == wanted else (401, {}, b"")

    with serving(respond) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://localhost:{server.server_address[1]}"
        options: dict[str, Any] = {"username": USER, "password_file": str(secret)}
        assert anchor(url, authority, Log().grow(1), ca_file=str(cert), **options).data
        with pytest.raises(AnchorFailed, match="certificate verify failed"):
            anchor(url, authority, Log().grow(1), **options)
        secret.write_text("wrong-horse")
        with pytest.raises(AnchorFailed, match=r"^The time-stamp authority answered 401\.$"):
            anchor(url, authority, Log().grow(1), ca_file=str(cert), **options)

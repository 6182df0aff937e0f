"""A client certificate is shown on connections of its own, to a real server that demands one."""

import datetime as dt
import http.server
import ipaddress
import ssl
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from console.core.errors import Invalid
from integrations import outbound
from integrations.credential_types import pack
from integrations.description import Description
from integrations.outbound import NotSent, Unknown, send
from integrations.render import Rendered, render
from tests.servers import served

NOW = dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Pair:
    certificate: str
    key: str


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


class Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.certificate = self.signed(self.name, self.key, x509.BasicConstraints(True, None))

    def signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, more: x509.ExtensionType) -> str:
        made = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(NOW - dt.timedelta(days=1))
            .not_valid_after(NOW + dt.timedelta(days=1)).add_extension(more, critical=False)
            .sign(self.key, hashes.SHA256())
        )  # fmt: skip
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, name: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return Pair(self.signed(subject, key, address), pem(key))


@dataclass
class Peer:
    authority: Authority
    url: str
    seen: list[tuple[str, int]] = field(default_factory=list)  # common name of the client, connection

    @property
    def request(self) -> Rendered:
        return render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=self.url, key="k")

    def ask(self, pair: Pair) -> Any:
        secret = pack("mtls", {}, {"certificate": pair.certificate, "private_key": pair.key})
        request = self.request
        return send(request, expected=request.digest, secret=secret, credential_type="mtls", credential="crd_a").body


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    authority = Authority()
    own = authority.issue("server")
    (tmp_path / "authority.pem").write_text(authority.certificate)
    (tmp_path / "server.pem").write_text(own.key + own.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    outbound._context.cache_clear()
    found = Peer(authority, "")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections

        def do_GET(self) -> None:
            told: Any = self.connection.getpeercert()
            found.seen.append((told["subject"][0][0][1], self.client_address[1]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that are refused are meant."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    context.load_verify_locations(tmp_path / "authority.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    found.url = f"https://127.0.0.1:{server.server_address[1]}"
    with served(server):
        yield found
    outbound._context.cache_clear()


def test_two_credentials_of_one_host_never_share_a_connection(peer: Peer) -> None:
    ana, bo = peer.authority.issue("ana"), peer.authority.issue("bo")
    for pair in (ana, bo, ana, bo):
        assert peer.ask(pair) == {}
    assert [name for name, _ in peer.seen] == ["ana", "bo", "ana", "bo"]
    assert len({port for _, port in peer.seen}) == 4


def test_a_request_without_a_certificate_uses_no_connection_of_one(peer: Peer) -> None:
    peer.ask(peer.authority.issue("ana"))
    request = peer.request
    with pytest.raises((NotSent, Unknown)):
        send(request, expected=request.digest, secret="", credential_type="none", credential="crd_a")
    assert [name for name, _ in peer.seen] == ["ana"]


def test_a_certificate_of_another_authority_opens_nothing(peer: Peer) -> None:
    with pytest.raises((NotSent, Unknown)):
        peer.ask(Authority().issue("ana"))
    assert peer.seen == []


def test_a_server_of_another_authority_is_told_nothing(peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "authority.pem").write_text(Authority().certificate)
    with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
        peer.ask(peer.authority.issue("ana"))
    assert peer.seen == []


def test_the_key_is_in_a_file_of_ours_alone_and_gone_at_once(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, modes = tmp_path / "temporary", list[int]()
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    load = ssl.SSLContext.load_cert_chain

    def loading(context: ssl.SSLContext, file: str) -> None:
        modes.append(stat.S_IMODE(Path(file).stat().st_mode))
        load(context, file)
        monkeypatch.setattr(outbound, "_AgreedPool", looking)

    real = outbound._AgreedPool

    def looking(**options: Any) -> Any:
        modes.append(len(list(place.iterdir())))
        return real(**options)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", loading)
    peer.ask(peer.authority.issue("ana"))
    assert modes == [0o600, 0]


def test_no_certificate_is_shown_without_tls(peer: Peer) -> None:
    peer.url = peer.url.replace("https:", "http:")
    with pytest.raises(NotSent, match="over https alone"):
        peer.ask(peer.authority.issue("ana"))


@pytest.mark.parametrize(
    ("certificate", "key", "says"),
    [
        ("ana", "bo", "^private_key: does not belong to the first certificate$"),
        ("", "ana", "^certificate: is not a certificate in PEM$"),
        ("ana", "", "^private_key: is not a private key in PEM without a passphrase$"),
    ],
)
def test_what_does_not_belong_together_is_refused_when_it_is_stored(certificate: str, key: str, says: str) -> None:
    authority = Authority()
    pairs = {"ana": authority.issue("ana"), "bo": authority.issue("bo"), "": Pair("no PEM", "no PEM")}
    with pytest.raises(Invalid, match=says):
        pack("mtls", {}, {"certificate": pairs[certificate].certificate, "private_key": pairs[key].key})

"""Letters, by a real SMTP server."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from audit.anchors import AnchorFailed, Receipt, build
from examples.standins.launcher import free_port
from tests.audit.growing import Log
from tests.audit.peers import PASSWORD, USER, certificate


class Inbox:
    """What arrived, as it arrived."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refused: set[str] = set()
        self.answer = "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, to: str, options: list[str]) -> str:
        if to in self.refused:
            return "550 There is nobody of this name"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return self.answer

    @property
    def notes(self) -> list[str]:
        """As a mail program saves them: lines of mail end in two characters."""
        return [str(letter.get_content()).replace("\r\n", "\n") for letter in self.letters]

    @property
    def letters(self) -> list[EmailMessage]:
        parser = BytesParser(policy=default)
        return [parser.parsebytes(cast(bytes, one.content)) for one in self.envelopes]


def knows(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextmanager
def post_office(inbox: Inbox, cert: tuple[Path, Path] | None = None, implicit: bool = False) -> Iterator[int]:
    options: dict[str, Any] = {}
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cert)
        options = {"authenticator": knows, "auth_required": True}
        options |= {"ssl_context": context} if implicit else {"tls_context": context, "require_starttls": True}
        options |= {"auth_require_tls": not implicit}  # aiosmtpd counts only STARTTLS as TLS
    controller = Controller(inbox, hostname="localhost", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def cert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return file


def anchor(port: int, log: Log, **changes: Any) -> Receipt:
    config = {
        "kind": "mail",
        "host": "localhost",
        "port": port,
        "from": "log@log.example",
        "to": "auditor@audit.example",
    }
    return build({**config, **changes}).anchor(log.note(), origin=log.origin, size=log.size)


def test_the_letter_holds_the_note_and_the_receipt_is_its_id() -> None:
    inbox, log = Inbox(), Log().grow(5)
    with post_office(inbox) as port:
        receipt = anchor(port, log, tls="none", to=["auditor@audit.example", "second@audit.example"])
    (letter,) = inbox.letters
    assert inbox.notes == [log.note()]
    assert (letter.get_content_type(), letter["Message-ID"].encode()) == ("text/plain", receipt.data)
    assert (letter["From"], letter["To"]) == ("log@log.example", "auditor@audit.example, second@audit.example")
    assert (letter["Subject"], letter["Auto-Submitted"]) == ("Checkpoint 5 of log.example/1", "auto-generated")
    assert inbox.envelopes[0].rcpt_tos == ["auditor@audit.example", "second@audit.example"]
    assert receipt.place == "auditor@audit.example, second@audit.example"
    assert letter["Date"]


def test_of_many_cosignatures_every_line_arrives_whole() -> None:
    inbox, log = Inbox(), Log().grow(5)
    note = log.note() + f"— witness.example/w1 {'A' * 3244}\n"
    with post_office(inbox) as port:
        config = {
            "kind": "mail",
            "host": "localhost",
            "port": port,
            "tls": "none",
            "from": "a@b.example",
            "to": "c@d.example",
        }
        build(config).anchor(note, origin=log.origin, size=5)
    assert inbox.notes == [note]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_with_tls_it_signs_in_with_the_password_of_the_file(tls: str, cert: tuple[Path, Path], secret: Path) -> None:
    inbox, log = Inbox(), Log().grow(5)
    signing_in: dict[str, Any] = {"tls": tls, "username": USER, "password_file": str(secret)}
    with post_office(inbox, cert, implicit=tls == "implicit") as port:
        anchor(port, log, ca_file=str(cert[0]), **signing_in)
        with pytest.raises(AnchorFailed, match="certificate verify failed"):
            anchor(port, log, **signing_in)
        with pytest.raises(AnchorFailed, match="certificate verify failed"):
            anchor(port, log, host="127.0.0.1", ca_file=str(cert[0]), **signing_in)
        secret.write_text("wrong-horse")
        with pytest.raises(AnchorFailed, match=r"^The mail server does not accept user and password \(535\)\.$"):
            anchor(port, log, ca_file=str(cert[0]), **signing_in)
        secret.unlink()
        with pytest.raises(AnchorFailed, match=r"^password_file: .* cannot be read \(FileNotFoundError\)\.$"):
            anchor(port, log, ca_file=str(cert[0]), **signing_in)
    assert inbox.notes == [log.note()]


def test_a_server_that_offers_no_tls_gets_no_letter() -> None:
    inbox = Inbox()
    with post_office(inbox) as port, pytest.raises(AnchorFailed, match="STARTTLS"):
        anchor(port, Log().grow(1))
    assert inbox.envelopes == []


def test_when_one_recipient_is_refused_nobody_gets_a_letter() -> None:
    inbox = Inbox()
    inbox.refused = {"gone@audit.example"}
    with post_office(inbox) as port:
        with pytest.raises(AnchorFailed, match=r"^The mail server refused gone@audit.example: 550 There is nobody"):
            anchor(port, Log().grow(1), tls="none", to=["auditor@audit.example", "gone@audit.example"])
        assert inbox.envelopes == []
        anchor(port, Log().grow(1), tls="none")


def test_a_letter_that_is_refused_is_no_receipt() -> None:
    inbox = Inbox()
    inbox.answer = "452 The disk is full"
    with post_office(inbox) as port, pytest.raises(AnchorFailed, match=r"refused the letter: 452 The disk is full$"):
        anchor(port, Log().grow(1), tls="none")


def test_authorities_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(AnchorFailed, match=r"nowhere: No such file or directory\.$"):
        anchor(1, Log().grow(1), ca_file=str(tmp_path / "nowhere"))
    (tmp_path / "empty").write_text("")
    with pytest.raises(AnchorFailed, match=r"empty: "):
        anchor(1, Log().grow(1), ca_file=str(tmp_path / "empty"))

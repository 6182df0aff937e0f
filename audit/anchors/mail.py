"""`kind: mail`: the checkpoint as a letter, to people outside whose mailboxes nobody here can empty."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from hashlib import sha256
from threading import Event, Timer
from typing import Any, ClassVar, Self, cast

from audit.anchors.base import AnchorFailed, Options, Receipt, read_checkpoint, read_secret, telling_why

PORTS = {"starttls": 587, "implicit": 465, "none": 25}


@dataclass(frozen=True)
class MailAnchor:
    host: str
    port: int
    tls: str
    sender: str
    recipients: tuple[str, ...]
    seconds: float
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    kind: ClassVar[str] = "mail"

    @classmethod
    def read(cls, options: Options) -> Self:
        tls = options.choice("tls", tuple(PORTS), "starttls")
        anchor = cls(
            options.text("host"), options.number("port", 1, 65535, PORTS[tls]), tls, address(options, "from"),
            tuple(addresses(options, "to")), options.seconds(), *options.sign_in(),
            options.file("ca_file"),
        )  # fmt: skip
        if anchor.username and tls == "none":
            raise options.wrong("tls", "is none: the password could be read on the way")
        return anchor

    def anchor(self, note: str, *, origin: str, size: int) -> Receipt:
        """The receipt is the Message-ID, the same whenever this checkpoint is sent.

        Whether a letter that got no answer has gone out is not known; then it goes out again.
        """
        read_checkpoint(note, origin, size)
        message = self.letter(note, f"Checkpoint {size} of {origin}")
        with self._connected() as smtp:
            self._send(smtp, message.as_bytes())
        return Receipt(str(message["Message-ID"]).encode(), ", ".join(self.recipients))

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]

    def letter(self, note: str, subject: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"] = self.sender, ", ".join(self.recipients)
        message["Subject"], message["Date"] = subject, localtime()
        message["Message-ID"] = f"<{sha256(note.encode()).hexdigest()}@{self.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(note, cte="quoted-printable")
        return message

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        context = self._context()
        smtp = self._client(context)
        late = Event()
        over = Timer(self.seconds, cut, [smtp, late])
        over.daemon = True
        over.start()
        try:
            smtp.connect(self.host, self.port)
            if self.tls == "starttls":
                smtp.starttls(context=context)
            self._sign_in(smtp)
            yield smtp
        except smtplib.SMTPAuthenticationError as fault:
            raise AnchorFailed(f"The mail server does not accept user and password ({fault.smtp_code}).") from None
        except smtplib.SMTPResponseException as fault:
            raise AnchorFailed(f"The mail server refused: {fault.smtp_code} {told(fault.smtp_error)}") from None
        except (smtplib.SMTPException, OSError) as fault:
            raise AnchorFailed(self._why(fault, late)) from None
        finally:
            over.cancel()
            smtp.close()

    def _why(self, fault: Exception, late: Event) -> str:
        # smtplib wraps what the socket said.
        if isinstance(fault, TimeoutError) or str(fault).endswith("timed out") or late.is_set():
            return f"The mail server did not take the letter within {self.seconds:g} seconds."
        return f"The mail server could not be used: {fault}"

    def _client(self, context: ssl.SSLContext) -> smtplib.SMTP:
        """Not connected yet. The name of this machine is nobody's business, and looking it up may take long."""
        if self.tls == "implicit":
            smtp: Any = smtplib.SMTP_SSL(local_hostname=self.domain, timeout=self.seconds, context=context)
        else:
            smtp = smtplib.SMTP(local_hostname=self.domain, timeout=self.seconds)
        smtp._host = self.host  # the name that has to stand in its certificate; connecting at once would set it
        return cast(smtplib.SMTP, smtp)

    def _context(self) -> ssl.SSLContext:
        with telling_why(self.ca_file):
            return ssl.create_default_context(cafile=self.ca_file or None)

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        if self.username:
            smtp.login(self.username, read_secret("password_file", self.password_file))

    def _send(self, smtp: smtplib.SMTP, letter: bytes) -> None:
        """To all, or to nobody: the letter follows once everyone was accepted."""
        smtp.ehlo_or_helo_if_needed()
        expect(smtp.mail(self.sender), "the sender")
        for recipient in self.recipients:
            expect(smtp.rcpt(recipient), recipient)
        expect(smtp.data(letter), "the letter")
        with suppress(smtplib.SMTPException, OSError):  # it has the letter
            smtp.quit()


def expect(answer: tuple[int, bytes], what: str) -> None:
    code, text = answer
    if code not in {250, 251}:
        raise AnchorFailed(f"The mail server refused {what}: {code} {told(text)}")


def told(text: bytes | str) -> str:
    return (text.decode(errors="replace") if isinstance(text, bytes) else text).replace("\n", " ")[:200]


def cut(smtp: smtplib.SMTP, late: Event) -> None:
    """smtplib counts seconds from one packet to the next; this ends it, however slowly they come."""
    late.set()  # first: whoever reads from the socket wakes at once
    if connection := getattr(smtp, "sock", None):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def addresses(options: Options, key: str) -> list[str]:
    return [check_address(options, key, one) for one in options.texts(key)]


def address(options: Options, key: str) -> str:
    return check_address(options, key, options.text(key))


def check_address(options: Options, key: str, text: str) -> str:
    try:
        found = Address(addr_spec=text)
    except (ValueError, IndexError):
        raise options.wrong(key, "is not a mail address") from None
    if not text.isascii() or not found.domain or found.addr_spec != text:
        raise options.wrong(key, "is not a mail address")
    return text

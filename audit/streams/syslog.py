"""`kind: syslog`: RFC 5424 over TLS, RFC 5425.

Syslog knows no acknowledgement. What comes nearest is the end of a connection: after our close_notify the receiver has
to close as well (RFC 5425, section 4.4), and does so once it has read everything before it. So each batch has a
connection of its own. What the receiver does with what it has read is not known.
"""

import fcntl
import os
import re
import socket
import ssl
import struct
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from audit.anchors.base import AnchorFailed, Deadline
from audit.outlets import OutletFailed
from audit.streams.base import Event, StreamOptions
from audit.streams.forms import FORMS, Form
from console.core.clock import iso

PRIORITY = 13 * 8 + 6  # log audit, informational
ENTERPRISE = 32473  # for documentation and examples: RFC 5612
PAUSE = 0.005
PART = 1 << 16


@dataclass
class SyslogSink:
    host: str
    port: int
    form: Form
    seconds: float
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    kind: ClassVar[str] = "syslog"

    @classmethod
    def read(cls, options: StreamOptions) -> Self:
        host = options.text("host")
        if not is_host(host):
            raise options.wrong("host", "is not the name or address of a machine")
        sink = cls(
            host, options.number("port", 1, 65535, 6514), FORMS[options.choice("format", tuple(FORMS), "leaf")],
            options.seconds(), options.file("ca_file"), options.file("cert_file"), options.file("key_file"),
        )  # fmt: skip
        if bool(sink.cert_file) != bool(sink.key_file):
            raise options.wrong("key_file", "and `cert_file` belong together")
        return sink

    @property
    def confirms(self) -> bool:
        return False

    def encode(self, event: Event) -> bytes:
        """Without a byte order mark: the message is the leaf, and its hash is over these bytes."""
        facts = {"index": event.index, "origin": event.origin, "hash": event.hash, "size": event.size,
                 **({"gone": event.gone} if event.gone else {})}  # fmt: skip
        data = " ".join(f'{name}="{escaped(str(value))}"' for name, value in facts.items())
        head = f"<{PRIORITY}>1 {iso(event.at)} {word(name_of(event.host), 255)} countersign - {word(event.kind, 32)}"
        message = f"{head} [countersign@{ENTERPRISE} {data}] {self.form.text(event)}".encode()
        return b"%d %s" % (len(message), message)

    def send(self, events: Sequence[bytes]) -> None:
        deadline = Deadline(self.seconds)
        try:
            with self._connected(deadline) as connection:
                send_all(connection, b"".join(events), deadline)
                close(connection, deadline)
        except (TimeoutError, AnchorFailed):
            raise OutletFailed(f"The receiver did not take the batch within {self.seconds:g} seconds.") from None
        except OSError as fault:
            raise OutletFailed(f"The receiver could not be used: {why(fault)}") from None

    def settle(self) -> None:
        """The end of the connection was all there is."""

    @contextmanager
    def _connected(self, deadline: Deadline) -> Iterator[ssl.SSLSocket]:
        context = self._context()
        plain = socket.create_connection((self.host, self.port), deadline.left)
        plain.settimeout(deadline.left)
        try:
            connection = context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        with connection:
            yield connection

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file, password=lambda: "")  # never asks on a terminal
        except OSError as fault:
            files = ", ".join(filter(None, [self.ca_file, self.cert_file, self.key_file]))
            text = "not certificates and their key" if isinstance(fault, ssl.SSLError) else fault.strerror
            raise OutletFailed(f"{files}: {text}.") from None
        return context


def send_all(connection: ssl.SSLSocket, data: bytes, deadline: Deadline) -> None:
    """The seconds are counted for the whole, not for each part."""
    view = memoryview(data)
    while view:
        connection.settimeout(deadline.left)
        view = view[connection.send(view[:PART]) :]


def close(connection: ssl.SSLSocket, deadline: Deadline) -> None:
    """Returns when the receiver has closed as well, with everything read: what is left unread resets the connection.
    There are some that close without a close_notify (rsyslog with GnuTLS)."""
    connection.settimeout(deadline.left)
    try:
        connection.unwrap()
    except ssl.SSLEOFError:
        pass
    else:
        end(connection, deadline)
    while unacknowledged(connection):
        time.sleep(min(PAUSE, deadline.left))
    if code := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, os.strerror(code))


def end(connection: ssl.SSLSocket, deadline: Deadline) -> None:
    """A close_notify that came before ours may be a refusal, and be followed by a reset."""
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(PART):
        connection.settimeout(deadline.left)


def unacknowledged(connection: socket.socket) -> int:
    """Bytes that are still under way."""
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])


def escaped(value: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", value)


def word(value: str, longest: int) -> str:
    """As it may stand in a header: printable ASCII, and a dash for nothing."""
    return re.sub(r"[^\x21-\x7e]", "?", value)[:longest] or "-"


def name_of(host: str) -> str:
    """Without the port."""
    return re.sub(r":\d+$", "", host)


def is_host(host: str) -> bool:
    try:
        return re.fullmatch(r"[A-Za-z0-9_.:-]+", host) is not None and bool(host.encode("idna"))
    except UnicodeError:  # an empty label, or one that is too long
        return False


def why(fault: OSError) -> str:
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate does not hold ({fault.verify_message})."
    if isinstance(fault, ssl.SSLEOFError):
        return "it closed the connection too early."
    if isinstance(fault, ssl.SSLError):
        return f"TLS failed ({(fault.reason or type(fault).__name__).lower().replace('_', ' ')})."
    return f"{fault.strerror or type(fault).__name__}."

"""Syslog over TLS, to rsyslog: with both of its drivers for TLS, with certificates that do not fit, and killed."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from audit.models import Outlet
from audit.outlets import step
from audit.streams import Stream, build
from tests.audit.conftest import SignedLog
from tests.audit.peers import certificate, openssl
from tests.audit.receivers import Rsyslog
from tests.stack import wait_until

Pair = tuple[Path, Path]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return certificate(tmp_path / "receiver")


@contextmanager
def running(rsyslog: Rsyslog) -> Iterator[Rsyslog]:
    rsyslog.start()
    try:
        yield rsyslog
    finally:
        rsyslog.kill()


def to(rsyslog: Rsyslog, **changes: Any) -> Stream:
    return build({"name": "siem", "kind": "syslog", "host": "localhost", "port": rsyslog.port, "timeout": 10,
                  "ca_file": str(rsyslog.cert), **changes})  # fmt: skip


def arrived(rsyslog: Rsyslog, size: int) -> list[int]:
    wait_until(lambda: {one.index for one in rsyslog.got()} >= set(range(size)), f"{size} leaves arrive", seconds=30)
    return [one.index for one in rsyslog.got()]


@pytest.mark.parametrize("driver", ["ossl", "gtls"])
def test_both_ways_to_end_a_connection_are_an_end(
    signed_log: SignedLog, pair: Pair, tmp_path: Path, driver: str
) -> None:
    """With GnuTLS, rsyslog closes without a close_notify."""
    size = signed_log.sequence_in([50]).size
    with running(Rsyslog(tmp_path / "rsyslog", *pair, driver=driver)) as rsyslog:
        assert step(to(rsyslog, batch_leaves=20))
        assert arrived(rsyslog, size) == list(range(size))
    assert Outlet.objects.get().reached == size


def test_messages_say_what_they_are_in_the_words_of_syslog(signed_log: SignedLog, pair: Pair, tmp_path: Path) -> None:
    tree = signed_log.sequence_in([1])
    with running(Rsyslog(tmp_path / "rsyslog", *pair)) as rsyslog:
        assert step(to(rsyslog))
        arrived(rsyslog, tree.size)
        lines = (rsyslog.place / "kept").read_text().splitlines()
    read = next(line for line in lines if "audit:page:read" in line)
    at, host, name, message_id, priority = read.split("|")[1:6]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)", at)
    assert (host, name, message_id, priority) == ("localhost", "countersign", "audit:page:read", "110")


def test_a_killed_receiver_gets_the_last_batch_again_and_has_no_gap(
    signed_log: SignedLog, pair: Pair, tmp_path: Path
) -> None:
    first = signed_log.sequence_in([45]).size
    with running(Rsyslog(tmp_path / "rsyslog", *pair)) as rsyslog:
        stream = to(rsyslog, batch_leaves=20)
        assert step(stream)
        arrived(rsyslog, first)
        rsyslog.kill()
        signed_log.sequence_in([45])
        assert not step(stream)
        outlet = Outlet.objects.get()
        assert outlet.error == "The receiver could not be used: Connection refused."
        assert outlet.reached == first
        size = signed_log.sequence().size
        rsyslog.start()
        assert step(stream)
        assert arrived(rsyslog, size) == [*range(first), *range(first - 20, size)]
        assert step(stream)
    assert Outlet.objects.get().reached == size


def test_a_certificate_that_does_not_fit_gets_nothing(signed_log: SignedLog, pair: Pair, tmp_path: Path) -> None:
    signed_log.sequence()
    others = certificate(tmp_path / "others")
    with running(Rsyslog(tmp_path / "rsyslog", *pair)) as rsyslog:
        for changes, says in (
            ({"ca_file": str(others[0])}, "its certificate does not hold (self-signed certificate)."),
            ({"host": "127.0.0.1"}, "its certificate does not hold (IP address mismatch, "),
            ({"ca_file": str(tmp_path / "nowhere")}, f"{tmp_path}/nowhere: No such file or directory."),
            ({"ca_file": str(pair[1])}, f"{pair[1]}: not certificates and their key."),
        ):
            assert not step(to(rsyslog, **changes))
            assert says in Outlet.objects.get().error
        assert rsyslog.got() == []


@pytest.mark.parametrize("driver", ["ossl", "gtls"])
def test_a_receiver_that_does_not_accept_us_is_noticed(
    signed_log: SignedLog, pair: Pair, tmp_path: Path, driver: str
) -> None:
    """TLS 1.3 lets us write before the receiver has looked at our certificate. Nothing of that counts."""
    signed_log.sequence_in([5])
    ours, others = certificate(tmp_path / "ours", "publisher"), certificate(tmp_path / "others", "stranger")
    authorities = tmp_path / "authorities"
    authorities.write_bytes(pair[0].read_bytes() + ours[0].read_bytes())
    secured = Rsyslog(tmp_path / "rsyslog", *pair, driver=driver, auth="x509/name", ca=authorities)
    with running(secured) as rsyslog:
        for changes in ({}, {"cert_file": str(others[0]), "key_file": str(others[1])}):
            for _ in range(3):
                assert not step(to(rsyslog, timeout=1, **changes))
            assert Outlet.objects.get().reached == 0
        assert rsyslog.got() == []
        size = signed_log.sequence().size
        assert step(to(rsyslog, cert_file=str(ours[0]), key_file=str(ours[1])))
        assert arrived(rsyslog, size) == list(range(size))


def test_a_key_with_a_password_is_not_asked_for_on_a_terminal(
    signed_log: SignedLog, pair: Pair, tmp_path: Path
) -> None:
    signed_log.sequence()
    locked = tmp_path / "locked.pem"
    openssl("pkey", "-in", pair[1], "-aes256", "-passout", "pass:hush-hush", "-out", locked)
    stream = build({"name": "siem", "kind": "syslog", "host": "localhost", "ca_file": str(pair[0]),
                    "cert_file": str(pair[0]), "key_file": str(locked)})  # fmt: skip
    assert not step(stream)
    assert Outlet.objects.get().error == f"{pair[0]}, {pair[0]}, {locked}: not certificates and their key."


# Receivers that leave in the middle


def reads_a_bit_and_resets(connection: ssl.SSLSocket) -> None:
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def leaves_at_once(connection: ssl.SSLSocket) -> None:
    """With all that was sent unread."""


def says_goodbye_at_once(connection: ssl.SSLSocket) -> None:
    connection.settimeout(0)
    with suppress(ssl.SSLError):
        connection.unwrap()


def talks(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"hello")
    read_to_the_end(connection)


def reads_and_stays(connection: ssl.SSLSocket) -> None:
    read_to_the_end(connection)
    socket.socket.recv(connection, 1)  # until the sender has lost its patience


def reads_and_leaves(connection: ssl.SSLSocket) -> None:
    """All that the sender can know of a receiver is that it was well until here."""
    read_to_the_end(connection)


def read_to_the_end(connection: ssl.SSLSocket) -> None:
    while connection.recv(1 << 16):
        pass


@contextmanager
def receiving(pair: Pair, behave: Callable[[ssl.SSLSocket], None]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)

    def serve() -> None:
        with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            behave(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(20)


@pytest.mark.parametrize(
    ("behave", "well"),
    [(reads_a_bit_and_resets, False), (leaves_at_once, False), (says_goodbye_at_once, False), (talks, False),
     (reads_and_stays, False), (reads_and_leaves, True)],
)  # fmt: skip
def test_only_who_reads_to_the_end_and_closes_has_it(
    signed_log: SignedLog, pair: Pair, behave: Callable[[ssl.SSLSocket], None], well: bool
) -> None:
    size = signed_log.sequence_in([200]).size
    config = {"name": "siem", "kind": "syslog", "host": "localhost", "ca_file": str(pair[0]), "timeout": 1}
    with receiving(pair, behave) as port:
        assert step(build({**config, "port": port})) == well
    assert Outlet.objects.get().reached == (size if well else 0)

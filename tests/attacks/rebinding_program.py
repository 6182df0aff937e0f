"""A machine whose name server is the attacker's: run by `unshare`, alone in namespaces of its own.

It says how often the name was asked for, what the outer and the inner server heard of two requests to it, and how each
request ended.
"""

import fcntl
import json
import os
import socket
import struct
import sys
from ctypes import CDLL, get_errno
from pathlib import Path
from threading import Thread

import django

NAME = b"\x09rebinding\x04test\x00"
OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
MS_BIND = 4096
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def resolve_here(folder: Path) -> None:
    """Seen by this process and its children alone."""
    told = folder / "resolv.conf"
    told.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    if CDLL(None, use_errno=True).mount(bytes(told), b"/etc/resolv.conf", None, MS_BIND, None):
        raise OSError(get_errno(), "mount")


class NameServer:
    """Another address each time it is asked for the first kind, for no time at all."""

    def __init__(self) -> None:
        self.asked = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            question, peer = self.socket.recvfrom(512)
            self.socket.sendto(self.answer(question), peer)

    def answer(self, question: bytes) -> bytes:
        name = question[12 : 12 + len(NAME)]
        kind = question[12 + len(NAME) : 14 + len(NAME)]
        known = name.lower() == NAME and kind == b"\x00\x01"
        head = question[:2] + b"\x81\x80" + b"\x00\x01" + (b"\x00\x01" if known else b"\x00\x00") + b"\x00" * 4
        asked = question[12 : 16 + len(NAME)] if name.lower() == NAME else question[12:]
        if not known:
            return head + asked
        address = OUTSIDE if self.asked == 0 else INSIDE
        self.asked += 1
        return head + asked + b"\xc0\x0c\x00\x01\x00\x01" + b"\x00" * 4 + b"\x00\x04" + socket.inet_aton(address)


def main(folder: Path) -> None:
    loopback_up()
    resolve_here(folder)
    os.environ["COUNTERSIGN_ALLOWED_NETWORKS"] = f"{OUTSIDE}/32"
    django.setup()
    from integrations.outbound import NotSent
    from tests.attacks.peer import ask, look, saying, serving

    server = NameServer()
    answer = saying(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
    ends = []
    with serving(answer, OUTSIDE) as outside, serving(answer, INSIDE, outside.port) as inside:
        for _ in range(2):
            try:
                ends.append(str(ask(look(f"http://rebinding.test:{outside.port}")).status))
            except NotSent as refused:
                ends.append(str(refused))
        sys.stdout.write(json.dumps([server.asked, len(outside.heard), len(inside.heard), ends]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The other side as an attacker would run it: whatever bytes it likes, for as long as it likes."""

import contextlib
import re
import socket
import socketserver
from collections.abc import Callable, Iterator

from integrations.description import Description
from integrations.outbound import Answer, send
from integrations.render import Rendered, render
from tests.servers import served

SMALL = 65_536
SECRET = "sk_attacked_7Qz9Xv3"
Script = Callable[[socket.socket], None]


class Peer(socketserver.ThreadingTCPServer):
    """`heard` is what came on each connection: the headers, and the body where it is small."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, script: Script, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), socketserver.BaseRequestHandler)
        self.script, self.heard = script, list[bytes]()
        self.port: int = self.server_address[1]
        self.base_url = f"http://{address}:{self.port}"

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with contextlib.suppress(OSError):  # the door hangs up
            self.heard.append(_heard(request))
            self.script(request)


def _heard(connection: socket.socket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(65_536)
    told = re.search(rb"\r\nContent-Length: (\d+)\r\n", heard)
    length = int(told[1]) if told else 0
    while length <= SMALL and len(heard.partition(b"\r\n\r\n")[2]) < length:
        heard += connection.recv(65_536)
    return heard


@contextlib.contextmanager
def serving(script: Script, address: str = "127.0.0.1", port: int = 0) -> Iterator[Peer]:
    with served(Peer(script, address, port)) as peer:
        yield peer


def saying(*parts: bytes) -> Script:
    def say(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return say


def without_end(begin: bytes, part: bytes) -> Script:
    """Until the door hangs up."""

    def say(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(part)

    return say


def look(base_url: str) -> Rendered:
    described = Description("look", {"title": "Look", "effect": "read", "method": "GET", "path": "/things"})
    return render(described, {}, base_url=base_url, key="act_1")


def ask(rendered: Rendered) -> Answer:
    return send(rendered, expected=rendered.digest, secret=SECRET, credential_type="bearer")

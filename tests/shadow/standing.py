"""The forwarder as a program, an upstream scripted byte by byte, and a console that keeps what it is shown."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from console.shadow import forwarder
from tests.servers import served

PROGRAM = str(Path(forwarder.__file__))
TOKEN = "cag_" + "t" * 43
Script = Callable[[Any, bytes], object]  # of the connection's file, after a request's head was read


@contextmanager
def upstream(script: Script, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """`host:port`. Each request is given to the script, which writes what it likes; the connection is kept until the
    script closes its file."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            speaking = context.wrap_socket(connection, server_side=True) if context else connection
            with speaking, speaking.makefile("rwb", buffering=0) as file:
                while head := _head(file):
                    script(file, head)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def _head(file: Any) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = file.read(1)
        if not byte:
            return b""
        head += byte
    return head


def body_of(file: Any, head: bytes) -> bytes:
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))}
    if fields.get(b"transfer-encoding") == b"chunked":
        body = b""
        while size := int(_line(file), 16):
            body += _exactly(file, size)
            _line(file)
        _line(file)
        return body
    return _exactly(file, int(fields.get(b"content-length", b"0")))


def _exactly(file: Any, size: int) -> bytes:
    read = b""
    while len(read) < size:
        read += file.read(size - len(read))
    return read


def _line(file: Any) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        line += file.read(1)
    return line.strip()


@dataclass
class Console:
    """Answers with each of `statuses` in turn, then with 200; `away` refuses connections."""

    statuses: list[int] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, count: int) -> list[dict[str, Any]]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.shown) >= count, 30), self.shown
        return self.shown


@contextmanager
def console() -> Iterator[Console]:
    kept = Console()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.statuses.pop(0) if kept.statuses else 200
            with kept.came:
                kept.raw.append(body)
                kept.tokens.add(self.headers["Authorization"])
                if status == 200:
                    kept.batches.append(json.loads(body))
                    kept.shown += json.loads(body)["observations"]
                kept.came.notify_all()
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *given: Any) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        kept.url = f"http://127.0.0.1:{server.server_port}"
        yield kept


def arguments(place: Path, console: str, *more: str) -> list[str]:
    token = place / "token"
    token.write_text(TOKEN + "\n")
    return [sys.executable, "-I", PROGRAM, "--console", console, "--token-file", str(token), *more]


@contextmanager
def listening(place: Path, console: str, to: str, env: dict[str, str] | None = None) -> Iterator[str]:
    """Its address. It is told to end, and has to end in order."""
    command = arguments(place, console, "--to", to, "--listen", "127.0.0.1:0")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert " leads to " in said, said
        try:
            yield said.split()[1]
        finally:
            process.terminate()
        said = process.stderr.read()
        assert (process.wait(20), "Error" in said) == (0, False), said

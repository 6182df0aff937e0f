"""Those who keep checkpoints, as others have written them: git, `openssl ts`, an S3 store. And peers that misbehave."""

import base64
import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.servers import served

USER, PASSWORD = "countersign", "correct-horse%s$(id)"


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    return program("openssl", *arguments, given=given)


def program(*command: str | Path, given: bytes = b"", cwd: Path | None = None) -> bytes:
    done = subprocess.run(list(map(str, command)), input=given, capture_output=True, check=False, timeout=60, cwd=cwd)
    assert done.returncode == 0, (command, done.stderr.decode())
    return done.stdout


def certificate(directory: Path, name: str = "localhost", *extensions: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    directory.mkdir(parents=True, exist_ok=True)
    cert, key = directory / "cert.pem", directory / "key.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", cert,
            *(word for one in extensions for word in ("-addext", one)))  # fmt: skip
    return cert, key


class Server(ThreadingHTTPServer):
    daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}"


@contextmanager
def serving(
    respond: Callable[[BaseHTTPRequestHandler, bytes], tuple[int, Mapping[str, str], bytes]],
) -> Iterator[Server]:
    """An HTTP server of one function."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, content = respond(self, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_HEAD = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with served(Server(("localhost", 0), Handler)) as server:
        yield server


# A time-stamp authority

TSA = """[tsa]
default_tsa = tsa1
[tsa1]
serial = {directory}/serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
"""


@dataclass
class Authority:
    cert: Path
    key: Path
    config: Path
    queries: list[bytes] = field(default_factory=list)
    answers: Callable[[bytes, bytes], bytes] = lambda query, answer: answer

    @classmethod
    def make(cls, directory: Path) -> "Authority":
        cert, key = certificate(directory, "tsa.example", "extendedKeyUsage=critical,timeStamping")
        config = directory / "tsa.cnf"
        config.write_text(TSA.format(directory=directory))
        return cls(cert, key, config)

    def reply(self, query: bytes) -> bytes:
        self.queries.append(query)
        with TemporaryDirectory() as directory:
            file = Path(directory) / "query"
            file.write_bytes(query)
            made = openssl("ts", "-reply", "-config", self.config, "-queryfile", file, "-signer", self.cert, "-inkey",
                           self.key)  # fmt: skip
        return self.answers(query, made)

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        if request.headers.get("Content-Type") != "application/timestamp-query":
            return 415, {}, b""
        return 200, {"Content-Type": "application/timestamp-reply"}, self.reply(body)


# git over HTTP, with a password


def git_over_http(root: Path) -> Callable[[BaseHTTPRequestHandler, bytes], tuple[int, Mapping[str, str], bytes]]:
    wanted = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"

    def respond(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        if request.headers.get("Authorization") != wanted:
            return 401, {"WWW-Authenticate": 'Basic realm="git"'}, b""
        path, _, query = request.path.partition("?")
        environment = {
            **os.environ, "GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": request.command, "REMOTE_USER": USER,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        }  # fmt: skip
        made = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _, content = made.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        return status, headers, content

    return respond


# An S3 store


@contextmanager
def object_store() -> Iterator[str]:
    """moto, as a program; yields its address."""
    command = [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            match = None
            while match is None:
                line = process.stderr.readline()
                assert line, "the store ended before it listened"
                match = re.search(r"Running on (http://[\d.:]+)", line)
            # It writes a line for each request, and stops when nobody reads them.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield match[1]
        finally:
            process.terminate()


def a_client(url: str) -> Any:
    """The library of the store's makers."""
    boto3 = pytest.importorskip("boto3")
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE",
                        aws_secret_access_key="key-of-the-store")  # fmt: skip


# Peers that misbehave

GARBAGE = bytes(range(256)) * 4


@contextmanager
def misbehaving(how: str, greeting: bytes) -> Iterator[int]:
    """Listens on the port it yields. "silent" says nothing, "dripping" never comes to an end, "garbage" is none of the
    protocol, "gone" does not listen."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        if how == "gone":
            listener.close()
            yield port
            return
        thread = threading.Thread(target=_misbehave, args=(listener, how, greeting, stop), daemon=True)
        thread.start()
        try:
            yield port
        finally:
            stop.set()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                pass
            thread.join(20)


def _misbehave(listener: socket.socket, how: str, greeting: bytes, stop: threading.Event) -> None:
    held = []
    while not stop.is_set():
        connection, _ = listener.accept()
        held.append(connection)
        threading.Thread(target=_speak, args=(connection, how, greeting, stop), daemon=True).start()
    for connection in held:
        connection.close()


def _speak(connection: socket.socket, how: str, greeting: bytes, stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        if how == "garbage":
            connection.sendall(GARBAGE)
            connection.shutdown(socket.SHUT_WR)
        elif how == "dripping":
            connection.sendall(greeting)
            while not stop.wait(0.02):
                connection.sendall(b"a")

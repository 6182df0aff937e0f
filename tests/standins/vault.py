"""A key service that speaks as the transit engine of Vault and OpenBao does: `bao` or `vault` itself, in its
development mode, where one is installed; otherwise a small server of ours, written from their API documentation, which
knows two requests. Only the first shows that the real thing agrees.
"""

import json
import os
import secrets
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from examples.standins.launcher import free_port
from tests.servers import served
from tests.stack import wait_until

TOKEN = "token-of-the-door"
BINARY = shutil.which("bao") or shutil.which("vault")


@contextmanager
def transit(key: str) -> Iterator[str]:
    """Its address; the mount is `transit`, and holds this key."""
    with _real(BINARY, key) if BINARY else _small(key) as address:
        yield address


@contextmanager
def _real(binary: str, key: str) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        [binary, "server", "-dev", f"-dev-root-token-id={TOKEN}", f"-dev-listen-address={address}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )  # fmt: skip
    try:
        client = httpx.Client(base_url=f"http://{address}", headers={"X-Vault-Token": TOKEN})
        wait_until(lambda: _is_up(client), "the key service answers")
        client.post("/v1/sys/mounts/transit", json={"type": "transit"}).raise_for_status()
        client.post(f"/v1/transit/keys/{key}").raise_for_status()
        yield f"http://{address}"
    finally:
        server.kill()
        server.wait()


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/v1/sys/health").is_success
    except httpx.TransportError:
        return False


@contextmanager
def _small(key: str) -> Iterator[str]:
    cipher = AESGCM(AESGCM.generate_key(256))

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["X-Vault-Token"] != TOKEN:
                self.say(403, {"errors": ["permission denied"]})
            elif self.path == f"/v1/transit/encrypt/{key}":
                nonce = secrets.token_bytes(12)
                kept = b64encode(nonce + cipher.encrypt(nonce, b64decode(given["plaintext"]), None)).decode()
                self.say(200, {"data": {"ciphertext": f"vault:v1:{kept}", "key_version": 1}})
            elif self.path == f"/v1/transit/decrypt/{key}":
                self.open(given["ciphertext"])
            else:
                self.say(400, {"errors": ["encryption key not found"]})

        do_PUT = do_POST

        def open(self, ciphertext: str) -> None:
            try:
                kept = b64decode(ciphertext.removeprefix("vault:v1:"))
                self.say(200, {"data": {"plaintext": b64encode(cipher.decrypt(kept[:12], kept[12:], None)).decode()}})
            except (InvalidTag, ValueError):
                self.say(400, {"errors": ["cipher: message authentication failed"]})

        def say(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Answer)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"

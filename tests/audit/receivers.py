"""Who streams speak with: rsyslog from Debian; and strict stand-ins of a Splunk collector, which cannot run here, and
of a collector of OpenTelemetry, made after their documents."""

import fcntl
import io
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.audit.peers import Server, serving
from tests.stack import wait_until

TOKEN = "a-token-that-nobody-repeats"
Reply = tuple[int, Mapping[str, str], bytes]
Json = dict[str, Any]


@dataclass(frozen=True, order=True)
class Got:
    """An event as it arrived."""

    index: int
    origin: str
    hash: str
    size: int
    text: str
    gone: str = ""


def answer(status: int, value: object) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def hang_up(request: BaseHTTPRequestHandler) -> Reply:
    """The connection ends without an answer."""
    request.connection.shutdown(socket.SHUT_RDWR)
    request.wfile = io.BytesIO()
    return 200, {}, b""


@dataclass
class Web:
    """What a receiver over HTTP does next, instead of what it should; each once. It is called with what it would do."""

    got: list[Got] = field(default_factory=list)
    next: list[Callable[[BaseHTTPRequestHandler, Callable[[], Reply]], Reply]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seen: list[Mapping[str, str]] = field(default_factory=list)

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        self.seen.append(dict(request.headers.items()))
        if self.next:
            return self.next.pop(0)(request, lambda: self.take(request, body))
        return self.take(request, body)

    def take(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        raise NotImplementedError


# Splunk: "Format events for HTTP Event Collector", "HTTP Event Collector REST API endpoints", "About … Acknowledgment"

METADATA = {"time", "host", "source", "sourcetype", "index", "event", "fields"}


@dataclass
class Collector(Web):
    acknowledges: bool = False
    events: list[Json] = field(default_factory=list)
    indexes: Callable[[int], bool] = lambda number: True
    channels: dict[str, dict[int, list[Got]]] = field(default_factory=dict)

    def take(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        if request.command != "POST":
            return answer(405, {"text": "Method Not Allowed"})
        given = request.headers.get("Authorization")
        if given is None:
            return answer(401, {"text": "Token is required", "code": 2})
        if given != f"Splunk {TOKEN}":
            return answer(403, {"text": f"Invalid token {given}", "code": 4})
        channel = request.headers.get("X-Splunk-Request-Channel", "")
        if self.acknowledges and not channel:
            return answer(400, {"text": "Data channel is missing", "code": 10})
        if channel and not re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", channel):
            return answer(400, {"text": "Invalid data channel", "code": 11})
        if request.path == "/services/collector/ack":
            return self._acknowledge(channel, body)
        if request.path != "/services/collector/event":
            return answer(404, {"text": "The requested URL was not found on this server.", "code": 404})
        return self._index(channel, body)

    def _index(self, channel: str, body: bytes) -> Reply:
        events: list[Json] = []
        for line in body.decode().split("\n"):
            try:
                events.append(json.loads(line))
            except ValueError:
                return answer(400, {"text": "Invalid data format", "code": 6, "invalid-event-number": len(events)})
        for number, event in enumerate(events):
            if code := self._wrong(event):
                return answer(400, {"text": "Event field", "code": code, "invalid-event-number": number})
        self.events += events
        got = [self._got(event) for event in events]
        if not self.acknowledges:
            self.got += got
            return answer(200, {"text": "Success", "code": 0})
        open = self.channels.setdefault(channel, {})
        number = max(open, default=-1) + 1
        open[number] = got
        return answer(200, {"text": "Success", "code": 0, "ackId": number})

    def _wrong(self, event: Json) -> int:
        if "event" not in event:
            return 12
        if event["event"] in ("", None):
            return 13
        flat = all(isinstance(value, str | int | float) for value in event.get("fields", {}).values())
        known = event.keys() <= METADATA and all(
            isinstance(event[key], str) for key in ("host", "source", "sourcetype")
        )
        return 0 if flat and known and isinstance(event["time"], float) else 6

    def _got(self, event: Json) -> Got:
        fields = event["fields"]
        assert fields["origin"] == event["source"]
        return Got(fields["leaf_index"], fields["origin"], fields["leaf_hash"], fields["tree_size"], event["event"],
                   fields.get("gone", ""))  # fmt: skip

    def _acknowledge(self, channel: str, body: bytes) -> Reply:
        open, told = self.channels.get(channel, {}), {}
        for number in json.loads(body)["acks"]:
            told[str(number)] = number in open and self.indexes(number)
            if told[str(number)]:
                self.got += open.pop(number)
        return answer(200, {"acks": told})


# OpenTelemetry: opentelemetry/proto/logs/v1/logs.proto, in the JSON encoding of OTLP


def _object(required: Mapping[str, Any], **optional: Any) -> Json:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required),
            "additionalProperties": False}  # fmt: skip


def _list(items: Json) -> Json:
    return {"type": "array", "items": items, "minItems": 1}


TEXT = {"type": "string"}
NUMBER = {"type": "string", "pattern": "^[0-9]{1,19}$"}  # 64 bits
VALUE = {"oneOf": [_object({"stringValue": TEXT}), _object({"intValue": NUMBER})]}
ATTRIBUTES = _list(_object({"key": TEXT, "value": VALUE}))
RECORD = _object(
    {"timeUnixNano": NUMBER, "severityNumber": {"type": "integer", "minimum": 1, "maximum": 24}, "severityText": TEXT,
     "body": VALUE, "attributes": ATTRIBUTES, "eventName": TEXT},
    traceId={"type": "string", "pattern": "^(?!0{32})[0-9a-f]{32}$"},
)  # fmt: skip
SCOPE = _object({"scope": _object({"name": TEXT}), "logRecords": _list(RECORD)})
LOGS = _object({"resourceLogs": _list(_object({"resource": _object({"attributes": ATTRIBUTES}),
                                               "scopeLogs": _list(SCOPE)}))})  # fmt: skip
VALIDATOR = Draft202012Validator(LOGS)


@dataclass
class Telemetry(Web):
    bodies: list[bytes] = field(default_factory=list)

    def take(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        if (request.command, request.path) != ("POST", "/v1/logs"):
            return answer(404, {})
        if request.headers.get("Content-Type") != "application/json":
            return answer(415, {})
        logs = json.loads(body)
        if problems := [error.message for error in VALIDATOR.iter_errors(logs)]:
            self.problems += problems
            return answer(400, {"code": 3, "message": problems[0]})
        self.bodies.append(body)
        records = [record for resource in logs["resourceLogs"] for scope in resource["scopeLogs"]
                   for record in scope["logRecords"]]  # fmt: skip
        self.got += map(self._got, records)
        return answer(200, {"partialSuccess": {}})

    def _got(self, record: Json) -> Got:
        told = {one["key"]: next(iter(one["value"].values())) for one in record["attributes"]}
        assert told["event.name"] == record["eventName"]
        return Got(int(told["countersign.leaf.index"]), told["countersign.origin"], told["countersign.leaf.hash"],
                   int(told["countersign.tree.size"]), record["body"]["stringValue"],
                   told.get("countersign.gone", ""))  # fmt: skip


@contextmanager
def serving_tls(web: Web, cert: Path, key: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with serving(web.respond) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server


# rsyslog

SETUP = """
global(workDirectory="{place}" processInternalMessages="on" maxMessageSize="256k" defaultNetstreamDriverCAFile="{ca}"
       defaultNetstreamDriverCertFile="{cert}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1" streamDriver.authMode="{auth}")
template(name="kept" type="string" string="%structured-data%|{HEADER}|%msg%\\n")
input(type="imtcp" address="127.0.0.1" port="{port}" listenPortFileName="{place}/port" {peers})
action(type="omfile" file="{place}/kept" template="kept")
"""
HEADER = "%timereported:::date-rfc3339%|%hostname%|%app-name%|%msgid%|%pri%"
PEERS = 'permittedPeer=["publisher"]'  # of the authentication that asks for names
PACKAGES = ["rsyslog", "rsyslog-gnutls", "rsyslog-openssl"]
MODULES = ("lmnsd_ossl.so", "lmnsd_gtls.so")


def rsyslogd() -> str:
    """Fails loudly where Debian's packages cannot be had: these checks are not to be left out unnoticed."""
    with (Path(tempfile.gettempdir()) / "countersign-test-rsyslog.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # apt serves one at a time
        found = next(map(str, Path("/usr/sbin").glob("rsyslogd")), None) or shutil.which("rsyslogd")
        if not found or not all(list(Path("/usr/lib").glob(f"*/rsyslog/{name}")) for name in MODULES):
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            for arguments in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
                subprocess.run(["apt-get", "-q", *arguments], env=env, check=True)
    return found or "/usr/sbin/rsyslogd"


@dataclass
class Rsyslog:
    """`driver`: ossl or gtls; the one answers a close_notify, the other just closes."""

    place: Path
    cert: Path
    key: Path
    driver: str = "ossl"
    auth: str = "anon"
    ca: Path | None = None
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """At the same port again, after the first time."""
        self.place.mkdir(exist_ok=True)
        (self.place / "pid").unlink(missing_ok=True)
        before = self._started()
        config = self.place / "rsyslog.conf"
        peers = PEERS if self.auth == "x509/name" else ""
        config.write_text(SETUP.format(**{**vars(self), "ca": self.ca or self.cert}, HEADER=HEADER, peers=peers))
        with (self.place / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [rsyslogd(), "-n", "-f", str(config), "-i", str(self.place / "pid")], stdout=out, stderr=out
            )
        wait_until(lambda: self._listens() and self._started() > before, "rsyslog listens", seconds=60)

    def _listens(self) -> bool:
        """It writes down only a port that it chose itself."""
        told = self.place / "port"
        if self.port == 0 and told.exists():
            self.port = int(told.read_text() or 0)
        listening = f"0100007F:{self.port:04X} 00000000:0000 0A"
        return self.port != 0 and listening in Path("/proc/net/tcp").read_text()

    def _started(self) -> int:
        """How often it has written that it starts. Only then connections may come: with OpenSSL it closes each of them
        twice (rsyslog/rsyslog#6375), and the second time may hit the file that it opens meanwhile."""
        file = self.place / "kept"
        return file.read_text().count("] start\n") if file.exists() else 0

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def got(self) -> list[Got]:
        file = self.place / "kept"
        lines = file.read_text().splitlines() if file.exists() else []
        return [self._got(line) for line in lines if line.startswith("[countersign@32473 ")]

    def _got(self, line: str) -> Got:
        data, _, _, _, _, _, text = line.split("|", 6)
        told = dict(re.findall(r'(\w+)="((?:[^"\\\]]|\\.)*)"', data))
        return Got(int(told["index"]), told["origin"], told["hash"], int(told["size"]), text, told.get("gone", ""))

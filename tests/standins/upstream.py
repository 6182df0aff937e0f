"""An other side that keeps count of effects, behaves as each mode of idempotency says, and fails at each moment.

    with Upstream() as upstream:
        upstream.plan(Fault("done"))             # the next write has its effect, and nobody is told
        ...                                      # a client is sent to upstream.base_url
        assert upstream.effects("t1") == 1

Writes go to `/<behaviour>/things`, and name the thing that they are about, in the path or the body. What was made of a
thing is at `/<behaviour>/made?thing=`, or `?key=`, and with `&page=` on some four pages.
"""

import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

Moment = Literal["unread", "read", "done", "half"]  # before the request, before the effect, after it, within the answer


class Write(NamedTuple):
    method: str
    behaviour: str
    thing: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]  # names in lower case


class Answer(NamedTuple):
    status: int
    body: Mapping[str, Any]


class Made(NamedTuple):
    thing: str
    key: str  # of the client's, where the behaviour knows one


@dataclass(eq=False)
class Fault:
    """For the next write, or with `reading` the next read: at this moment the connection is cut, or this status
    answered instead, with these headers. A `late` one has its effect after all, at `catch_up`. A `held` one stays where
    it is until `released`."""

    moment: Moment
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reading: bool = False
    late: bool = False
    held: bool = False
    reached: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)

    def strike(self) -> None:
        self.reached.set()
        if self.held:
            self.released.wait(60)

    def wait(self, seconds: float = 20) -> None:
        """Return once it has struck."""
        if not self.reached.wait(seconds):
            raise TimeoutError(f"no write came to be cut {self.moment} within {seconds:g} s")


@dataclass
class Things:
    """What the other side has. Each behaviour answers one write, under the lock."""

    made: dict[str, list[Made]] = field(default_factory=dict)
    replays: dict[str, tuple[Mapping[str, Any], Answer]] = field(default_factory=dict)  # by key
    versions: dict[str, int] = field(default_factory=dict)  # everything begins with 1
    values: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def make(self, write: Write, key: str = "") -> Answer:
        made = Made(write.thing, key)
        self.made.setdefault(write.thing, []).append(made)
        return Answer(201, made._asdict())

    def native_key(self, write: Write) -> Answer:
        """The same key is answered the same; with another body it is refused."""
        key = write.headers["idempotency-key"]
        if key not in self.replays:
            self.replays[key] = (write.body, self.make(write, key))
        body, answer = self.replays[key]
        return answer if body == write.body else Answer(422, {"error": "the key was used for something else"})

    def client_id(self, write: Write) -> Answer:
        exists = any(made.key == write.body["id"] for made in self.made.get(write.thing, ()))
        return Answer(409, {"error": "it exists"}) if exists else self.make(write, write.body["id"])

    def merging(self, write: Write) -> Answer:
        """As above, but what exists is answered as if it had just been made."""
        answer = self.client_id(write)
        return Answer(200, {"thing": write.thing, "key": write.body["id"]}) if answer.status == 409 else answer

    def natural_key(self, write: Write) -> Answer:
        return self.make(write, write.body["reference"])

    def conditional(self, write: Write) -> Answer:
        version = self.versions.get(write.thing, 1)
        expected = write.headers.get("if-match", write.body.get("version"))
        if str(expected) != str(version):
            return Answer(412, {"version": version})
        self.versions[write.thing] = version + 1
        return self.make(write)

    def set_semantics(self, write: Write) -> Answer:
        """PUT and DELETE. An effect is a change: the same again is none."""
        if write.method == "DELETE":
            changes = write.thing not in self.gone
            self.gone.add(write.thing)
        else:
            changes = self.values.get(write.thing) != write.body["value"]
            self.values[write.thing] = write.body["value"]
        return self.make(write) if changes else Answer(200, {"thing": write.thing})

    def none(self, write: Write) -> Answer:
        return self.make(write)

    unknown = none


class Upstream:
    def __init__(self) -> None:
        self.things = Things()
        self.writes: list[Write] = []  # whose request was read
        self._faults: list[Fault] = []
        self._taken: list[Fault] = []
        self._late: list[Write] = []
        self._lock = Lock()
        handler = type("BoundExchange", (Exchange,), {"upstream": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def plan(self, *faults: Fault) -> None:
        with self._lock:
            self._faults += faults

    def take(self, *, reading: bool) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.reading == reading:
                    self._faults.remove(fault)
                    self._taken.append(fault)
                    return fault
        return None

    def work_again(self) -> None:
        """No fault that was planned comes any more."""
        with self._lock:
            self._faults.clear()

    def release(self) -> None:
        """Whatever is held goes on."""
        with self._lock:
            for fault in self._taken:
                fault.released.set()

    def read(self, write: Write, *, late: bool) -> None:
        with self._lock:
            self.writes.append(write)
            if late:
                self._late.append(write)

    def perform(self, write: Write) -> Answer:
        behave: Callable[[Write], Answer] = getattr(self.things, write.behaviour)
        with self._lock:
            return behave(write)

    def catch_up(self) -> None:
        """What was taken in and put off is done now."""
        with self._lock:
            late, self._late = self._late, []
        for write in late:
            self.perform(write)

    def effects(self, thing: str) -> int:
        with self._lock:
            return len(self.things.made.get(thing, ()))

    def requests(self, thing: str) -> int:
        with self._lock:
            return sum(write.thing == thing for write in self.writes)

    def look(self, asked: Mapping[str, str]) -> dict[str, Any]:
        with self._lock:
            among = [asked["thing"]] if "thing" in asked else list(self.things.made)
            made = [one for thing in among for one in self.things.made.get(thing, ())]
            found = [one._asdict() for one in made if "key" not in asked or one.key == asked["key"]]
            if "page" in asked:
                size = max(1, len(found) // 3)
                found = found[(int(asked["page"]) - 1) * size :][:size]
            return {"made": found, "version": self.things.versions.get(asked.get("thing", ""), 1)}


class Exchange(BaseHTTPRequestHandler):
    upstream: Upstream
    disable_nagle_algorithm = True
    fault: Fault | None = None

    def handle(self) -> None:
        """A write that is cut unread is cut before its first byte was taken off the wire."""
        with contextlib.suppress(ConnectionError):
            if method := self.connection.recv(3, socket.MSG_PEEK):
                self.fault = self.upstream.take(reading=method == b"GET")
            if self.fault and self.fault.moment == "unread":
                self.cut()
            else:
                super().handle()

    def do_GET(self) -> None:
        if self.fault:
            self.cut(self.fault.status)
            return
        self.answer(Answer(200, self.upstream.look(dict(parse_qsl(urlsplit(self.path).query)))))

    def write(self) -> None:
        fault, write = self.fault, self._write()
        self.upstream.read(write, late=bool(fault and fault.late))
        if fault and fault.moment == "read":
            self.cut(fault.status)
            return
        answer = self.upstream.perform(write)
        if fault and fault.moment == "done":
            self.cut(fault.status)
        else:
            self.answer(answer, half=bool(fault))
            if fault:
                self.cut()

    def _write(self) -> Write:
        content = self.rfile.read(int(self.headers.get("content-length", "0")))
        body = json.loads(content) if content else {}
        behaviour, *rest = urlsplit(self.path).path.strip("/").split("/")
        thing = rest[1] if len(rest) > 1 else body["thing"]
        return Write(self.command, behaviour, thing, body, {name.lower(): v for name, v in self.headers.items()})

    def cut(self, status: int | None = None) -> None:
        assert self.fault is not None
        self.fault.strike()
        if status is not None:
            self.answer(Answer(status, {"error": f"a fault of {status}"}), headers=self.fault.headers)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.server.shutdown_request(self.connection)

    def answer(self, answer: Answer, *, half: bool = False, headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(answer.body).encode()
        self.send_response_only(answer.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)
        self.wfile.flush()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the connection was cut: there is nothing to flush to
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass

    do_POST = do_PUT = do_DELETE = write

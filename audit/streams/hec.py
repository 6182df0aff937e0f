"""`kind: hec`: Splunk's HTTP Event Collector, and what speaks like it.

Splunk answers before it has indexed. With `acknowledge`, each request is asked after until Splunk says that its events
are indexed; without, what Splunk loses in between comes out as a gap only.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from audit.outlets import OutletFailed
from audit.streams.base import Event, StreamOptions, compact, post, read_token, said
from audit.streams.forms import FORMS, Form

POLL = 0.5  # seconds between two questions whether something is indexed


@dataclass
class HecSink:
    url: str
    token_file: str
    form: Form
    index: str
    acknowledge: bool
    patience: float
    seconds: float
    ca_file: str = ""
    channel: str = field(default_factory=lambda: str(uuid.uuid4()))
    open: set[int] = field(default_factory=set)  # requests of which it is not known whether they are indexed
    kind: ClassVar[str] = "hec"

    @classmethod
    def read(cls, options: StreamOptions) -> Self:
        return cls(
            options.safe_url(secret=True), str(options.path("token_file")),
            FORMS[options.choice("format", tuple(FORMS), "leaf")], options.text("index", ""),
            options.yes("acknowledge"), float(options.number("acknowledge_timeout", 1, 3600, 300)),
            options.seconds(), options.file("ca_file"),
        )  # fmt: skip

    @property
    def confirms(self) -> bool:
        return True

    def encode(self, event: Event) -> bytes:
        """In Splunk, `index` is the name of a place for events: ours is called otherwise."""
        told = {
            "time": event.at.timestamp(), "host": event.host, "source": event.origin,
            "sourcetype": f"countersign:{self.form.name}", **({"index": self.index} if self.index else {}),
            "event": self.form.text(event),
            "fields": {"leaf_index": event.index, "leaf_hash": event.hash, "origin": event.origin,
                       "tree_size": event.size, **({"gone": event.gone} if event.gone else {})},
        }  # fmt: skip
        return compact(told).encode()

    def send(self, events: Sequence[bytes]) -> None:
        told = self._ask("event", b"\n".join(events))
        if told.get("code") != 0:
            raise OutletFailed("The receiver did not answer as an event collector does.")
        if self.acknowledge:
            number = told.get("ackId")
            if not isinstance(number, int) or isinstance(number, bool):
                raise OutletFailed("The receiver acknowledges nothing: its token has to be made with acknowledgement.")
            self.open.add(number)

    def settle(self) -> None:
        """Once a number has been told as indexed, Splunk forgets it."""
        until = time.monotonic() + self.patience
        try:
            while self.open:
                self.open -= self._indexed()
                if self.open and time.monotonic() > until:
                    raise OutletFailed(f"The receiver has not indexed everything within {self.patience:g} seconds.")
                if self.open:
                    time.sleep(POLL)
        finally:
            self.open.clear()

    def _indexed(self) -> set[int]:
        told = self._ask("ack", compact({"acks": sorted(self.open)}).encode()).get("acks")
        if not isinstance(told, dict):
            raise OutletFailed("The receiver did not tell what it has indexed.")
        return {number for number in self.open if told.get(str(number)) is True}

    def _ask(self, what: str, content: bytes) -> dict[str, object]:
        headers = {"Authorization": f"Splunk {read_token(self.token_file)}", "Content-Type": "application/json"}
        if self.acknowledge:
            headers["X-Splunk-Request-Channel"] = self.channel
        answer = post(f"{self.url}/services/collector/{what}", content, headers, self.seconds, self.ca_file)
        return said(answer) or {}

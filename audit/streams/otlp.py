"""`kind: otlp`: log records of OpenTelemetry over HTTP, as JSON: opentelemetry.io/docs/specs/otlp.

The names of telemetry are for finding and joining. What is behind a collector may sample and drop: the index tells.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from audit.exchange import Answer
from audit.outlets import OutletFailed
from audit.streams.base import Event, StreamOptions, compact, post, read_token, said
from console.core.clock import nanoseconds

INFO = 9
_SERVICE = compact({"attributes": [{"key": "service.name", "value": {"stringValue": "countersign"}}]})
_HEAD = (
    f'{{"resourceLogs":[{{"resource":{_SERVICE},"scopeLogs":[{{"scope":{{"name":"countersign.audit"}},"logRecords":['
)
HEAD, TAIL = _HEAD.encode(), b"]}]}]}"


@dataclass
class OtlpSink:
    url: str
    token_file: str
    header: str
    seconds: float
    ca_file: str = ""
    kind: ClassVar[str] = "otlp"

    @classmethod
    def read(cls, options: StreamOptions) -> Self:
        token_file = options.file("token_file")
        header = options.text("token_header", "Authorization")
        if not re.fullmatch(r"[A-Za-z0-9-]+", header):
            raise options.wrong("token_header", "is not the name of a header")
        return cls(options.safe_url(secret=bool(token_file)), token_file, header, options.seconds(),
                   options.file("ca_file"))  # fmt: skip

    @property
    def confirms(self) -> bool:
        return True

    def encode(self, event: Event) -> bytes:
        attributes: dict[str, str | int] = {
            "event.name": event.kind or f"countersign.{event.gone}", "countersign.leaf.index": event.index,
            "countersign.leaf.hash": event.hash, "countersign.origin": event.origin,
            "countersign.tree.size": event.size, **({"countersign.gone": event.gone} if event.gone else {}),
        }  # fmt: skip
        told = {
            "timeUnixNano": str(nanoseconds(event.at)), "severityNumber": INFO, "severityText": "INFO",
            "body": {"stringValue": event.text}, "attributes": [_pair(*pair) for pair in attributes.items()],
            "eventName": attributes["event.name"],
            **({"traceId": event.trace} if re.fullmatch("(?!0{32})[0-9a-f]{32}", event.trace) else {}),
        }  # fmt: skip
        return compact(told).encode()

    def send(self, events: Sequence[bytes]) -> None:
        headers = {"Content-Type": "application/json"}
        if self.token_file:
            token = read_token(self.token_file)
            headers[self.header] = f"Bearer {token}" if self.header == "Authorization" else token
        answer = post(f"{self.url}/v1/logs", HEAD + b",".join(events) + TAIL, headers, self.seconds, self.ca_file)
        if count := rejected(answer):
            raise OutletFailed(f"The receiver rejected {count} of {len(events)} records.")

    def settle(self) -> None:
        """The answer was all there is."""


def rejected(answer: Answer) -> int:
    """An empty answer is none that OTLP knows, and is what some collectors give. Raises OutletFailed."""
    told = said(answer) if answer.body.strip() else {}
    partial = None if told is None else told.get("partialSuccess") or {}
    count = partial.get("rejectedLogRecords", 0) if isinstance(partial, dict) else None
    if not re.fullmatch("[0-9]{1,18}", str(count)):
        raise OutletFailed("The receiver did not answer as OTLP says.")
    return int(str(count))


def _pair(key: str, value: str | int) -> dict[str, object]:
    """64-bit numbers are texts in JSON of protobuf."""
    return {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}

"""An agent's side of a benchmark."""

import http.client
import json
from dataclasses import dataclass

from benchmarks.bench import CouldNotMeasure


@dataclass(frozen=True, slots=True)
class Caller:
    """A connection that stays open, as an agent's would."""

    connection: http.client.HTTPConnection
    headers: dict[str, str]

    def send(self, method: str, path: str, body: object = None) -> object:
        content = json.dumps(body) if body is not None else None
        self.connection.request(method, path, content, self.headers)
        answer = self.connection.getresponse()
        told = json.loads(answer.read())
        if answer.status not in (200, 201, 202):
            raise CouldNotMeasure(f"{method} {path} was answered {answer.status}: {told}")
        return told

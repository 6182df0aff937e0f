"""Another system that tells us of things. It signs as the Standard Webhooks say, by the standard library alone."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from console.asgi import over_http
from console.core.actor import system
from examples.demo.people import acting
from integrations.models import Delivery, Integration, Webhook
from integrations.webhooks.judge import judge_delivery
from integrations.webhooks.set_up import open_webhook

DOOR = system("door")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD = {
    "header": "webhook-signature", "separator": "space", "prefix": "v1,", "encoding": "base64",
    "signs": "{id}.{timestamp}.{body}", "timestamp_header": "webhook-timestamp", "secret_encoding": "base64",
    "id": "webhook-id", "type": "/type",
}  # fmt: skip
_numbers = itertools.count(1)


class Told(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def make_hook(slug: str = "events", *, integration: str = "stripe", who: str = "mira") -> Webhook:
    actor = acting(who)
    row = Integration.objects.get(team=actor.team, slug=integration)
    return open_webhook(row, slug=slug, scheme="hmac", settings=STANDARD, secret=SECRET, actor=actor)


@dataclass
class Sender:
    hook: Webhook
    secret: str = SECRET
    sent: list[str] = field(default_factory=list)

    def headers(self, body: bytes, *, identity: str, at: float) -> dict[str, str]:
        stamp = str(int(at))
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        code = hmac.new(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
        return {"webhook-id": identity, "webhook-timestamp": stamp,
                "webhook-signature": f"v1,{base64.b64encode(code).decode()}"}  # fmt: skip

    def event(self, type: str = "", *, identity: str = "", ago: float = 0, **data: Any) -> tuple[bytes, dict[str, str]]:
        """A body and the headers that belong to it."""
        body = json.dumps({"type": type, "data": data}).encode()
        identity = identity or f"msg_{next(_numbers)}"
        return body, self.headers(body, identity=identity, at=time.time() - ago)

    def tell(self, type: str = "", *, identity: str = "", ago: float = 0, **data: Any) -> Told:
        body, headers = self.event(type, identity=identity, ago=ago, **data)
        return send(f"/hooks/{self.hook.address}", body, headers)

    def told(self, type: str = "", **named: Any) -> Delivery:
        """Told, and judged by a door."""
        assert self.tell(type, **named).status == 202
        judge_all()
        return self.hook.deliveries.latest("received_at")


def judge_all() -> None:
    for identity in Delivery.objects.filter(outcome="").order_by("received_at").values_list("pk", flat=True):
        judge_delivery(identity, actor=DOOR)


def send(path: str, body: bytes, headers: dict[str, str], *, method: str = "POST", cut: bool = False) -> Told:
    """Straight to the application, as the server would hand it on; `cut` when the sender goes away in the middle."""
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()]}  # fmt: skip
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] or [b""]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": cut or bool(pieces)}

    async def keep(message: Any) -> None:
        sent.append(message)

    asyncio.run(over_http(scope, receive, keep))
    start, content = sent
    return Told(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, content["body"])

"""An agent whose code speaks to the other system's own API: its base URL is ours, and the rest stays as it is."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx2
import pytest
import uvicorn
from django.conf import settings

from approvals.models import Action
from audit.models import Record
from console.agents.register import revoke_agent_token
from console.asgi import over_http
from console.gateway import raw
from console.gateway.raw_answers import answer_of
from examples.demo.people import acting
from integrations.describe import give_grant
from integrations.models import Credential, Operation
from tests.gateway.conftest import Asking, make_agent
from tests.gateway.test_actions import during
from tests.hooks import send as cut_short

FORM = ("content-type", "application/x-www-form-urlencoded")


class Told(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["code"])


def send(
    asking: Asking, method: str, target: str, *headers: tuple[str, str], body: bytes = b"", token: str = ""
) -> Told:
    """Straight to the application, so that nothing on the way repairs what is sent."""
    path, _, query = target.partition("?")
    given = [("authorization", f"Bearer {token or asking.secret}"), *headers]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode("latin-1"),
             "query_string": query.encode("latin-1"),
             "headers": [(name.encode(), value.encode("latin-1")) for name, value in given]}  # fmt: skip
    sent: list[Any] = []
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] or [b""]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def keep(message: Any) -> None:
        sent.append(message)

    asyncio.run(raw.serve(scope, receive, keep))
    start, content = sent
    return Told(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, content["body"])


def refund(asking: Asking, *headers: tuple[str, str], **more: object) -> Told:
    fields = {"charge": asking.world.seeded.pair("large").later, "amount": 48_000} | more
    return send(asking, "POST", "/raw/stripe/v1/refunds", FORM, *headers, body=urlencode(fields).encode())


def test_a_read_is_answered_as_the_other_side_answers(asking: Asking) -> None:
    charge = asking.world.seeded.pair("large").later
    told = during(asking.world.settle, lambda: send(asking, "GET", f"/raw/stripe/v1/charges/{charge}"))
    action = asking.action()
    assert (told.status, json.loads(told.body)["id"]) == (200, charge)
    assert told.headers == {
        "countersign-action": action.id, "countersign-state": "succeeded", "cache-control": "no-store",
        "content-type": "application/json; charset=utf-8", "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox", "content-length": str(len(told.body)),
    }  # fmt: skip
    assert (action.operation.slug, action.arguments, action.grantee) == (
        "get_charge",
        {"charge": charge},
        "agent:helper",
    )


def test_half_a_body_asks_for_nothing(asking: Asking) -> None:
    """A form that ends early can be one that says something else."""
    body = urlencode({"charge": asking.world.seeded.pair("large").later, "amount": 48_000}).encode()[:-2]
    headers = {"Authorization": f"Bearer {asking.secret}", "Content-Type": FORM[1]}
    told = cut_short("/raw/stripe/v1/refunds", body, headers, cut=True)
    assert (told.status, json.loads(told.body)["code"]) == (400, "cut_short")
    assert not Action.objects.exists()


def test_a_refusal_of_the_other_side_is_given_back_as_it_is(asking: Asking) -> None:
    told = during(asking.world.settle, lambda: send(asking, "GET", "/raw/stripe/v1/charges/ch_unknown"))
    assert (told.status, told.headers["countersign-state"]) == (404, "failed")
    assert "error" in json.loads(told.body)


def test_a_held_write_says_so_and_is_signed_done_once_and_found_by_its_key(asking: Asking) -> None:
    key = ("Idempotency-Key", "k1")
    told = during(
        asking.world.settle, lambda: refund(asking, key, ("Countersign-Says", "Twice, é.".encode().decode("latin-1")))
    )
    action = asking.action()
    assert (told.status, told.headers["countersign-state"]) == (202, "held")
    assert told.headers["location"] == f"/api/v1/actions/{action.id}"
    review = action.reviews.get()
    said = json.loads(told.body)["countersign"]
    assert said["review"] == f"{settings.ORIGIN}/reviews/{review.id}/"
    assert (action.asked_key, action.says, action.arguments["amount"]) == ("k1", "Twice, é.", 48_000)

    def sign() -> None:
        asking.world.sign(review)
        asking.world.settle()

    again = during(sign, lambda: refund(asking, key, ("Prefer", "wait=50")))
    assert (again.status, again.headers["countersign-action"]) == (200, action.id)
    assert (json.loads(again.body)["amount"], len(asking.world.refunds())) == (48_000, 1)
    assert refund(asking, key).body == again.body
    assert refund(asking, key, amount=1).code == "key_reused"


def test_it_is_the_same_act_as_asking_by_name(asking: Asking) -> None:
    refund(asking, ("Idempotency-Key", "k1"), ("Prefer", "wait=0"))
    assert asking.refund(key="k1").json()["id"] == asking.action().id


def test_what_is_refused_is_told_as_a_problem(asking: Asking) -> None:
    told = refund(asking, ("Prefer", "wait=0"), charge="nothing")
    assert (told.status, told.code) == (422, "invalid_arguments")
    assert json.loads(told.body)["action"] == asking.action().id


NOT_THERE = [
    ("DELETE", "/raw/stripe/v1/subscriptions/sub_1"), ("GET", "/raw/stripe/v1/nothing"), ("GET", "/raw/nowhere/v1/x"),
    ("GET", "/raw/"), ("GET", "/raw/Stripe/v1/charges/ch_1"), ("PATCH", "/raw/stripe/v1/charges/ch_1"),
    ("GET", "/%72aw/stripe/v1/charges/ch_1"), ("GET", "/raw/stripe/v1/customers/cus_1"),
]  # fmt: skip


def test_what_is_not_granted_and_what_is_not_there_are_one_answer_and_one_record(asking: Asking) -> None:
    answers = {send(asking, method, target)[::2] for method, target in NOT_THERE}
    (answer,) = answers
    assert (answer[0], json.loads(answer[1])["code"]) == (403, "not_granted")
    assert not Action.objects.exists()
    assert Record.objects.filter(kind="audit:access:refused", actor=asking.agent.id).count() == 1


def test_grants_of_other_agents_and_tokens_that_ended_open_nothing(asking: Asking) -> None:
    _, token, secret = make_agent("other")
    assert send(asking, "GET", "/raw/stripe/v1/charges/ch_1", token=secret).status == 403
    revoke_agent_token(token, actor=acting("mira"))
    assert send(asking, "GET", "/raw/stripe/v1/charges/ch_1", token=secret).status == 401
    assert send(asking, "GET", "/raw/stripe/v1/charges/ch_1", token="sk_live_of_the_vendor").status == 401
    assert not Action.objects.exists()


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/raw/stripe/v1/charges/a%2Fb", [], 400), ("/raw/stripe/v1/charges/../refunds", [], 400),
        ("/raw/stripe/v1/charges/%2e%2e", [], 400), ("/raw/stripe/v1//charges", [], 400),
        ("/raw/stripe/v1/charges/a%0d%0ab", [], 400), ("/raw/stripe/v1/charges/ch_1", [("Prefer", "wait=0")] * 2, 400),
        ("/raw/stripe/v1/charges/ch_1", [("Authorization", "Bearer sk_live")], 400),
        ("/raw/stripe/v1/charges/ch_1?expand=all", [], 422),
        ("/raw/stripe/v1/charges/ch_1", [("Range", "bytes=1")], 422),
        ("/raw/stripe/v1/charges/ch_1", [("Stripe-Account", "acct_1")], 422),
        ("/raw/stripe/v1/charges/ch_1", [("Idempotency-Key", "k" * 256)], 422),
        ("/raw/stripe/v1/charges/ch_1", [("Idempotency-Key", "a"), ("idempotency-key", "b")], 400),
    ],
)  # fmt: skip
def test_what_could_mean_two_things_is_refused_and_stored_nowhere(
    asking: Asking, target: str, headers: list[tuple[str, str]], expected: int
) -> None:
    told = send(asking, "GET", target, *headers)
    assert told.status == expected
    assert told.code in ("ambiguous_request", "not_understood", "invalid")
    assert not Action.objects.exists()


@pytest.mark.parametrize("number", ["1e9999999999999999999", "1e-9999999999999999999", "1e999", "1" * 5_000])
def test_a_number_that_nobody_can_carry_is_refused(number: str, asking: Asking) -> None:
    told = send(asking, "POST", "/raw/stripe/v1/refunds", ("Content-Type", "application/json"),
                body=f'{{"charge": "ch_1", "amount": {number}}}'.encode())  # fmt: skip
    assert (told.status, Action.objects.exists()) == (422, False)


def test_a_body_that_is_too_large_is_not_read_to_its_end(asking: Asking) -> None:
    huge = send(asking, "POST", "/raw/stripe/v1/refunds", FORM, body=b"a" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    assert (huge.status, huge.code) == (413, "too_large")


def test_a_request_of_an_ungranted_operation_does_not_pass_for_a_granted_one(asking: Asking) -> None:
    """`/v1/charges/{charge}` is granted; what the description knows better is not read as one of its values."""
    special = Operation.objects.get(slug="get_customer")
    Operation.objects.filter(pk=special.pk).update(
        description={**special.description, "path": "/v1/charges/ch_special"}, digest=b"\1" * 32
    )
    assert send(asking, "GET", "/raw/stripe/v1/charges/ch_special").status == 403
    assert not Action.objects.exists()
    both = ["get_charge", "get_customer"]
    give_grant(grantee="agent:helper", operations=both, credential=Credential.objects.get(), actor=acting("mira"))
    assert send(asking, "GET", "/raw/stripe/v1/charges/ch_special").status == 422  # it lacks the customer
    told = send(asking, "GET", "/raw/stripe/v1/charges/ch_other", ("Prefer", "wait=0"))
    assert (told.status, Action.objects.get(state="proposed").operation.slug) == (202, "get_charge")


def received(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ANSWERS: list[tuple[dict[str, Any], tuple[int, str | None, bytes, bool]]] = [
    ({"status": 200, "body": "[redacted]", "content_type": "text/xml", "receipt_digest": received(b"<a>s</a>")},
     (200, "text/xml", b"[redacted]", True)),
    ({"status": 200, "body": "<é>", "content_type": "text/xml", "receipt_digest": received("<é>".encode())},
     (200, "text/xml", "<é>".encode(), False)),
    ({"status": 200, "body": "x", "content_type": "text/plain; charset=latin-1", "receipt_digest": received(b"x")},
     (200, "text/plain; charset=utf-8", b"x", False)),
    ({"status": 200, "body": None, "content_type": "application/json", "receipt_digest": received(b" null")},
     (200, "application/json", b"null", False)),
    ({"status": 204, "body": "", "content_type": "", "receipt_digest": received(b"")}, (204, None, b"", False)),
    ({"status": 200, "body": {"a": 1.5}, "content_type": "a\r\nX: 1", "receipt_digest": received(b'{"a":1.5}')},
     (200, None, b'{"a":1.5}', False)),
    ({"status": 200, "body": "a", "content_type": "application/json", "receipt_digest": received(b'"a"')},
     (200, "application/json", b'"a"', False)),
]  # fmt: skip


@pytest.mark.parametrize(("outcome", "expected"), ANSWERS)
def test_an_answer_is_given_back_as_it_came(
    outcome: dict[str, Any], expected: tuple[int, str | None, bytes, bool]
) -> None:
    told = answer_of(Action(id="act_1", state="succeeded", outcome=outcome))
    headers = dict(told.headers)
    assert (told.status, headers.get("Content-Type"), told.body, "Countersign-Body" in headers) == expected


def test_an_end_without_an_answer_is_a_problem() -> None:
    for state, code, status in (("failed", "unreachable", 502), ("refused", "denied", 403), ("expired", "expired", 403),
                                ("withdrawn", "withdrawn", 409), ("refused", "beyond_grant", 403)):  # fmt: skip
        told = answer_of(Action(id="act_1", state=state, outcome={"code": code, "text": "Why."}))
        assert (told.status, json.loads(told.body)["code"], json.loads(told.body)["detail"]) == (status, code, "Why.")


@pytest.fixture
def address(asking: Asking) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(over_http, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_a_real_server_leaves_the_path_as_it_was_sent(address: str, asking: Asking) -> None:
    charge = asking.world.seeded.pair("large").later
    with httpx2.Client(
        base_url=f"{address}/raw/stripe", headers={"Authorization": f"Bearer {asking.secret}"}, timeout=60
    ) as client:
        told = during(asking.world.settle, lambda: client.get(f"/v1/charges/{charge}"))
        assert (told.status_code, told.json()["id"]) == (200, charge)
        encoded = client.get(f"{address}/raw/stripe/v1/charges/a%2Fb")
        assert (encoded.status_code, encoded.json()["code"]) == (400, "ambiguous_request")
        head = client.head("/v1/charges/ch_1")
        assert (head.status_code, head.content) == (403, b"")

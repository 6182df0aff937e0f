"""Actions for agents: ask, wait, collect. Only an agent's token opens these addresses; no person's session does."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Field, Path, Router, Schema, Status
from ninja.security.base import AuthBase
from pydantic import ConfigDict

from approvals.models import Action
from console.agents.identify import Identified, identify
from console.core.actor import ANONYMOUS
from console.core.errors import Forbidden
from console.core.telemetry import read_traceparent
from console.core.web import actor_of
from console.core.wire import Error, Moment
from console.gateway.acts import Asked, access_action, ask, preferred_wait, review_of, take_back, wait_until
from console.gateway.again import may_ask_again
from console.gateway.tools import tools_of

AT_ONCE = {
    "not_granted": 403,
    "beyond_grant": 403,
    "invalid_arguments": 422,
    "quarantined": 409,
}  # refused while it was proposed


class AgentToken(AuthBase):
    """`Authorization: Bearer cag_…`. A session of a browser counts for nothing here."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Identified | None:
        who = identify(request.headers.get("Authorization", ""))
        if who is None:
            if actor_of(request).kind != ANONYMOUS.kind:
                raise Forbidden("Only agents ask for actions, with a token of theirs.")
            return None
        vars(request).update(actor=who.actor)
        return who


router = Router(tags=["actions"], auth=AgentToken())


class Piece(Schema):
    """Of evidence; a record as `value` is shown field by field."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=200)
    value: Any


class Ask(Schema):
    """`says`, `request` and `evidence` are shown to whoever signs, as the agent's own words."""

    operation: str = Field(max_length=200, examples=["ledger.post_entry"])
    arguments: dict[str, Any] = Field(default_factory=dict)
    says: str = Field("", max_length=4_000)
    request: str = Field("", max_length=4_000, description="What a person asked of you, in the words you were given.")
    evidence: list[Piece] = Field(default_factory=list, max_length=50)
    after: str | None = Field(None, max_length=100, description="An action of yours that has to succeed first.")


class Outcome(Schema):
    """`text` says why, of a refusal in the reviewer's own words. Where `retry` is false, asking for the same once more
    ends the same: do not. `body` is what the other side answered, without secrets, or the permission."""

    code: str
    text: str | None = None
    retry: bool
    status: int | None = None
    body: Any = None


class ReviewRef(Schema):
    id: str
    state: str
    expires_at: Moment


class Deferral(Schema):
    missing: str
    until: Moment


class ActionOut(Schema):
    """`review` is what a person has to decide first, if any. `not_before` is when it is tried again, where the other
    side took no more requests. `deferred` is there while the policy defers it: what is missing, and until when, after
    which it is refused. `changed` has the arguments as they are done, where the policy or a reviewer has changed them;
    each change by a reviewer makes a new `revision`, which others sign. Settled actions have an `outcome` and never
    change."""

    id: str
    operation: str
    state: Literal[
        "proposed", "deferred", "held", "permitted", "executing", "in_doubt", "succeeded", "failed", "refused",
        "expired", "withdrawn", "stale",
    ]  # fmt: skip
    settled: bool
    outcome: Outcome | None
    review: ReviewRef | None
    not_before: Moment | None
    deferred: Deferral | None
    changed: dict[str, Any] | None
    revision: int
    created_at: Moment
    settled_at: Moment | None


class OperationOut(Schema):
    """`arguments` is one JSON Schema, draft 2020-12, of all of them. What is done by the agent is only permitted here:
    the outcome's `body` is the permission, and then the agent does it."""

    operation: str
    tool: str
    title: str
    done_by: Literal["console", "agent"]
    effect: Literal["read", "write", "destructive"]
    categories: list[str]
    arguments: dict[str, Any]


ANSWERS: dict[Any, Any] = {200: ActionOut, 202: ActionOut} | dict.fromkeys((401, 403, 404, 405, 409, 422, 429), Error)


@router.post("/actions", response=ANSWERS, operation_id="ask_for_action")
def ask_for_action(request: HttpRequest, response: HttpResponse, asked: Ask) -> Any:
    """Ask for one call of an operation. With `Prefer: wait=N` (seconds, at most 60) the answer waits until the action
    has settled or a person has to decide; 202 means that it is not settled yet, and `Location` says where to look.
    With an `Idempotency-Key` of your own (at most 255 characters) asking again finds the same action."""
    who, key = _who(request), request.headers.get("Idempotency-Key", "")
    parent = read_traceparent(request.headers.get("traceparent", ""))
    evidence = [piece.dict() for piece in asked.evidence]
    action = ask(who, Asked(asked.operation, asked.arguments, key, asked.says, asked.request, evidence, asked.after,
                            parent))  # fmt: skip
    if action.state == "refused" and action.outcome and action.outcome["code"] in AT_ONCE:
        outcome = action.outcome
        detail = {"action": action.id, "retry": may_ask_again(outcome["code"])}
        error = {"code": outcome["code"], "text": outcome["text"], "detail": detail}
        return Status(AT_ONCE[outcome["code"]], {"error": error})
    if seconds := _wait(request, response):
        return _answer(response, wait_until(who, action, seconds=seconds, also_held=True))
    return _answer(response, access_action(who, action.id))


@router.get("/actions/{action_id}", response=ANSWERS, operation_id="get_action")
def get_action(request: HttpRequest, response: HttpResponse, action_id: Annotated[str, Path(max_length=100)]) -> Any:
    """What became of it. With `Prefer: wait=N` the answer waits until it has settled. Waiting ends with 202; ask
    again: an action lives for as long as people need, through restarts of everything."""
    who = _who(request)
    action = access_action(who, action_id)
    if (seconds := _wait(request, response)) and not action.settled:
        action = wait_until(who, action, seconds=seconds, also_held=False)
    return _answer(response, action)


@router.post("/actions/{action_id}/withdraw", response=ANSWERS, operation_id="withdraw_action")
def withdraw_action(
    request: HttpRequest, response: HttpResponse, action_id: Annotated[str, Path(max_length=100)]
) -> Any:
    """Take it back while nothing has begun; 409 afterwards."""
    return _answer(response, take_back(_who(request), action_id))


@router.get("/operations", response={200: list[OperationOut], 401: Error}, operation_id="list_granted_operations")
def list_granted_operations(request: HttpRequest) -> list[dict[str, Any]]:
    """All that this agent is granted now, and nothing else."""
    return [
        {"operation": one.operation, "tool": one.name, "title": one.title, "effect": one.effect,
         "done_by": "agent" if one.own else "console",
         "categories": one.categories, "arguments": one.schema()}
        for one in tools_of(_who(request).agent)
    ]  # fmt: skip


def _who(request: HttpRequest) -> Identified:
    who = getattr(request, "auth", None)
    assert isinstance(who, Identified)
    return who


def _wait(request: HttpRequest, response: HttpResponse) -> float:
    """Seconds; 0 where nothing was asked. What is asked beyond the longest is cut, and said."""
    seconds = preferred_wait(request.headers.get("Prefer", "")) or 0.0
    if seconds:
        response.headers["Preference-Applied"] = f"wait={seconds:g}"
    return seconds


def _answer(response: HttpResponse, action: Action) -> Status[dict[str, Any]]:
    if action.settled:
        return Status(200, told(action))
    response.headers["Location"] = reverse("api-1:get_action", args=[action.id])
    response.headers["Retry-After"] = "1"
    return Status(202, told(action))


def told(action: Action) -> dict[str, Any]:
    review = review_of(action)
    outcome = action.outcome
    return {
        "id": action.id, "operation": f"{action.operation.integration.slug}.{action.operation.slug}",
        "state": action.state, "settled": action.settled,
        "outcome": _told_outcome(outcome) if outcome else None,
        "review": {"id": review.id, "state": review.state, "expires_at": review.expires_at} if review else None,
        "not_before": None if action.settled or action.state == "deferred" else action.not_before,
        "deferred": _deferral(action), "changed": None if action.original is None else action.arguments,
        "revision": action.revision, "created_at": action.created_at, "settled_at": action.settled_at,
    }  # fmt: skip


def _deferral(action: Action) -> dict[str, Any] | None:
    if action.state != "deferred":
        return None
    ruling = action.rulings.filter(outcome="defer").first()
    return {"missing": ruling.reasons[0] if ruling else "", "until": action.deferred_until}


def _told_outcome(outcome: dict[str, Any]) -> dict[str, Any]:
    told = {name: outcome.get(name) for name in ("code", "text", "status", "body")}
    return {**told, "retry": may_ask_again(outcome["code"])}

"""The effect ledger's acts. Intent is committed before the first byte; the answer ends it."""

from typing import Any

from audit.move import beginning, move, moving
from audit.record import Act
from console.core.actor import Actor
from console.core.clock import now
from integrations.models import Call

NO_DOOR = 0  # presence numbers begin with 1


def starting_call(call: Call, *, permit: str, actor: Actor) -> Act:
    """The intent, to be inserted with the move of its action. For any effect but `read` the database demands a permit
    consumed in this transaction, by an earlier statement."""
    return beginning(call, actor=actor, detail=_ledger(call, permit))


def resend_call(call: Call, *, door: int, permit: str, actor: Actor) -> None:
    """The same key again, after the probe said that nothing had happened; needs a fresh permit like the first time."""
    detail = _ledger(call, permit) | {"attempt": call.attempt + 1}
    move(call, "sending", actor=actor, detail=detail, attempt=call.attempt + 1, door=door, sent_at=now())


def finishing_call(call: Call, state: str, receipt: dict[str, Any], *, actor: Actor, **fields: Any) -> Act:
    """To succeeded or failed, with what was answered (or found by the probe), with the move of its action. That raises
    Conflict where another door has sent it again meanwhile, as `doubt_call` does."""
    detail = receipt_detail(receipt)
    return moving(call, state, actor=actor, detail=detail, finished_at=now(), receipt=receipt, **fields)


def doubt_call(call: Call, error: str, *, given_up: bool, actor: Actor) -> None:
    """With `given_up`, its own door says so: then nothing of it is sent any more from now on."""
    fields: dict[str, Any] = {"door": NO_DOOR, "sent_at": now()} if given_up else {}
    move(call, "in_doubt", actor=actor, detail={"error": error[:300]}, **fields)


def receipt_detail(receipt: dict[str, Any]) -> dict[str, object]:
    """What the log keeps of a receipt: how it was got and its digest, not its contents."""
    return {
        "status": receipt.get("status"),
        "receipt_digest": receipt.get("digest"),
        "found_by": receipt.get("found_by", "answer"),
        "error": str(receipt.get("error") or "")[:300],
    }


def _ledger(call: Call, permit: str) -> dict[str, object]:
    return {
        "call_action": call.action,
        "operation": call.operation_id,
        "request_digest": bytes(call.request_digest).hex(),
        "key": call.key,
        "attempt": call.attempt,
        "permit": permit,
    }

"""What people signed, for the bundles that auditors check elsewhere."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence

from approvals.models import Decision


def evidence(team: str, ids: Sequence[str]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Of decisions of this team. Those by password or session carry no signature, and say so by their level."""
    made = Decision.objects.filter(pk__in=ids, review__team=team).select_related("passkey")
    for decision in made.order_by("pk"):
        yield decision.pk, {"payload": _text(decision.payload), **_signature(decision)}


def _signature(decision: Decision) -> Mapping[str, object]:
    passkey = decision.passkey
    if passkey is None:
        return {"level": decision.level}
    return {
        **({} if decision.listed is None else {"listed": _text(decision.listed)}),
        "client_data_json": _text(decision.client_data_json),
        "authenticator_data": _text(decision.authenticator_data),
        "signature": _text(decision.signature),
        "public_key": _text(passkey.public_key),
        "passkey": passkey.id,
        "origin": passkey.origin,
        "rp_id": passkey.rp_id,
    }


def _text(data: bytes | memoryview | None) -> str:
    return b64encode(bytes(data or b"")).decode()

"""What a page is given to sign. It is stored nowhere: the server knows its own bytes again by its signature."""

import base64
import datetime as dt

from django.core import signing

from console.accounts.passkeys import signing_options
from console.core.errors import Invalid

LIFETIME = dt.timedelta(minutes=10)  # how long they may lie on the page before they are signed


def to_be_signed(kind: str, payload: bytes, *, challenge: bytes, user_id: str) -> dict[str, object]:
    """For the browser. Raises Refusal for a person who has no passkey."""
    return {
        "prepared": _signer(kind).sign(base64.urlsafe_b64encode(payload).decode()),
        "options": signing_options(user_id, challenge),
    }


def read_prepared(kind: str, prepared: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(_signer(kind).unsign(prepared, max_age=LIFETIME))
    except signing.BadSignature:
        raise Invalid("The page is too old or was changed. Open it again.", code="payload_mismatch") from None


def _signer(kind: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"countersign.{kind}")

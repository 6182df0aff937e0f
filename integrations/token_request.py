"""What is asked of an authorization server's token address (RFC 6749), and what it may answer."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import quote_plus, urlencode, urlsplit

from integrations.credential_types import Opened
from integrations.headers import VALUE
from integrations.outbound import Unknown, fetch
from integrations.redaction import clean, echoes
from integrations.render import CONTENT_TYPES, DEFAULT_PORTS, Rendered

LONGEST = 8_000  # characters of a token: it goes into one header
_CODE = re.compile(r"[a-z0-9_.-]{1,60}")


class Denied(Exception):
    """The server said no. `code` is its own word for why, such as `invalid_grant`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Granted:
    """`refresh` is "" where the server gave none; `seconds` is None where it did not say how long it is good for."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    seconds: int | None = None


def ask(opened: Opened, form: Mapping[str, str]) -> Granted:
    """Raises Denied, NotSent, or Unknown when nobody can tell whether the server took it."""
    return _read(*_post(opened, opened.settings["token_url"], form))


def end(opened: Opened, token: str, hint: str) -> None:
    """Have the server end a token (RFC 7009); one that it does not know has ended for it. Raises as `ask` does."""
    status, content, secrets = _post(opened, opened.settings["revoke_url"], {"token": token, "token_type_hint": hint})
    if status != 200:
        _refuse(status, _parsed(content), secrets)


def _post(opened: Opened, url: str, form: Mapping[str, str]) -> tuple[int, bytes, list[str]]:
    """With what the client signs in by; the last are the secrets that were sent."""
    parts, settings = opened.parts, opened.settings
    secret, client = parts.get("client_secret", ""), parts.get("client_id") or settings["client_id"]
    given, headers = dict(form), dict[str, str]()
    if secret and settings["client_auth"] == "basic":
        pair = f"{quote_plus(client)}:{quote_plus(secret)}"  # RFC 6749 §2.3.1
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        given |= {"client_id": client, **({"client_secret": secret} if secret else {})}
    secrets = [value for name, value in given.items() if name in SECRET] + list(headers.values()) + [secret]
    return *fetch(_rendered(url, given), headers, secrets=secrets), secrets


SECRET = ("client_secret", "refresh_token", "code", "code_verifier", "token")


def _rendered(url: str, form: Mapping[str, str]) -> Rendered:
    parts = urlsplit(url)
    return Rendered("POST", parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme],
                    parts.path or "/", parts.query, CONTENT_TYPES["form"], (), urlencode(form).encode())  # fmt: skip


def _read(status: int, content: bytes, secrets: list[str]) -> Granted:
    answer = _parsed(content)
    if status != 200:
        _refuse(status, answer, secrets)
    access, refresh = answer.get("access_token"), answer.get("refresh_token")
    if not _is_token(access) or not (refresh is None or _is_token(refresh)):
        raise Unknown("The authorization server answered without a token that a header can carry.")
    if str(answer.get("token_type", "bearer")).lower() != "bearer":
        raise Unknown("The authorization server gave a token that is no bearer token.")
    return Granted(str(access), str(refresh or ""), _seconds(answer.get("expires_in")))


def _refuse(status: int, answer: Mapping[str, Any], secrets: list[str]) -> NoReturn:
    code = str(answer.get("error", ""))
    if 400 <= status < 500 and _CODE.fullmatch(code):
        said = clean(str(answer.get("error_description", "")), echoes(*secrets))[:200]
        raise Denied(code, f"The authorization server says {code}{f': {said}' if said else ''}.")
    raise Unknown(f"The authorization server answered {status}.")


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _is_token(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST and VALUE.fullmatch(value) is not None


def _seconds(value: object) -> int | None:
    """Some servers write the number as text. What is no sensible time is none."""
    text = str(value)
    return min(int(text), 10**9) if re.fullmatch("[0-9]{1,12}", text) else None

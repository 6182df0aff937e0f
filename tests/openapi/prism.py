"""Prism (npm `@stoplight/prism-cli`) serves any OpenAPI document, and says of a request whether the document allows it.

It was written by others, from the same specification: what it takes, our renderer has written as the document says.
"""

import contextlib
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpcore

from integrations import outbound
from integrations.injection import Injected
from integrations.openapi.schemas import Unresolved, follow
from integrations.render import Rendered

PACKAGE = "@stoplight/prism-cli@5.16.0"
STARTS_WITHIN = 60  # seconds
MEMORY = 2048  # MiB of one Prism
REFUSALS = {"UNPROCESSABLE_ENTITY", "INVALID_CONTENT_TYPE", "UNAUTHORIZED", "NO_PATH_MATCHED_ERROR",
            "NO_METHOD_MATCHED_ERROR", "NO_SERVER_MATCHED_ERROR"}  # fmt: skip
# OpenAPI, Parameter Object: a header parameter of one of these names is to be ignored. Prism asks for it.
IGNORED = re.compile(
    r"(?i)header: .* property '(accept|content-type|authorization)'|header\.(accept|content-type|authorization): .*"
)
# Of a name that is there more than once it keeps the last; OpenAPI's own default is `form`, one name for each value.
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
ARRAY = re.compile(r"body\..*must be array")
EMPTY = "Body parameter is required"
# What it says when it has taken the request, and has no answer to give that fits what was asked for.
ANSWERLESS = {"VIOLATIONS", "NOT_ACCEPTABLE", "NO_COMPLEX_OBJECT_TEXT", "NO_RESPONSE_RESPONSE_DEFINED",
              "SCHEMA_TOO_COMPLEX", "NOT_FOUND"}  # fmt: skip
_PROBLEM = "https://stoplight.io/prism/errors#"


class NotServed(Exception):
    """Prism does not come up with this document, or fails by itself at this request."""


@contextlib.contextmanager
def prism(program: Path, document: Path, log: Path) -> Iterator[int]:
    """Its port. Raises NotServed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["node", f"--max-old-space-size={MEMORY}", str(program), "mock", "--errors", "--verboseLevel", "silent",
               "--port", str(port), str(document)]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(process, port, log)
            yield port
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            said = next((line for line in log.read_text(errors="replace").splitlines() if "Error" in line), "")
            raise NotServed(f"ends at once: {said or 'without a word'}"[:300])
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise NotServed(f"is not up within {STARTS_WITHIN} s")


def ask(rendered: Rendered, credential: Injected) -> str:
    """Why it is refused; "" where it is taken. Written by the door's own code, on a connection of its pool. Raises
    NotServed."""
    lines = outbound._lines(rendered, {})
    request = outbound._request(rendered, lines, credential, rendered.digest)
    try:
        with outbound._connections("", "prism") as pool:
            response = pool.handle_request(request)
        try:
            content = outbound._read_capped(response)
        finally:
            response.close()
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, outbound.Unknown) as error:
        raise NotServed(f"fails: {type(error).__name__}") from None
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in response.headers}
    refused = _refused(response.status, headers, content)
    if refused and rendered.content_type.startswith(FORMS):
        if all(ARRAY.fullmatch(one) for one in refused.split("; ")):
            raise NotServed("reads no array from a form whose encoding does not name a style")
        if not rendered.body and EMPTY in refused:
            raise NotServed("takes a form without a field for no body")
    return refused


def _refused(status: int, headers: Mapping[str, str], content: bytes) -> str:
    """Where the document describes an answer to wrong requests, Prism gives that one, and the reason in a header
    of its own."""
    problem = _problem(content)
    kind = str(problem.get("type", "")).removeprefix(_PROBLEM)
    told = _errors(headers.get("sl-violations", "")) or _told(problem.get("validation", []))
    if wrong := [one for one in told if not IGNORED.fullmatch(one)]:
        return "; ".join(wrong)
    if told:
        raise NotServed("asks for a header that OpenAPI tells to ignore")
    if kind in REFUSALS:
        return f"{kind}: {problem.get('detail', '')}"
    serializer = str(problem.get("detail", problem.get("title", ""))).startswith("Cannot find serializer")
    if status >= 500 and kind not in ANSWERLESS and not serializer:
        raise NotServed(f"fails: {problem.get('detail') or problem.get('title') or content[:100]!r}"[:200])
    return ""


def _problem(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and str(found.get("type", "")).startswith(_PROBLEM) else {}


def _errors(header: str) -> list[str]:
    if not header:
        return []
    try:
        return _told(json.loads(header))
    except ValueError:  # cut off, as there are too many; those of the request come first
        return [header] if '[{"location":["request"' in header else []


def _told(violations: Any) -> list[str]:
    told = []
    for one in violations if isinstance(violations, list) else ():
        place = [str(part) for part in one.get("location", [])]
        place = place[place[:1] == ["request"] :]
        if one.get("severity") == "Error" and place[:1] != ["response"]:
            told.append(f"{'.'.join(place) or 'request'}: {one['message']}")
    return told


def credential_of(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Injected:
    """What is added for the first of the ways to sign in that the document allows: made up, as Prism only looks that
    it is there."""
    ways = operation.get("security", document.get("security"))
    way = ways[0] if isinstance(ways, list) and ways else {}
    headers: dict[str, str] = {}
    query: list[str] = []
    for name in way:
        try:
            scheme = follow(document, document.get("components", {}).get("securitySchemes", {}).get(name))
        except Unresolved:
            continue
        match scheme:
            case {"type": "apiKey", "in": "header", "name": header}:
                headers[header] = "secret"
            case {"type": "apiKey", "in": "query", "name": parameter}:
                query.append(f"{quote(parameter, safe='')}=secret")
            case {"type": "apiKey", "in": "cookie", "name": cookie}:
                headers["Cookie"] = f"{cookie}=secret"
            case {"type": "http", "scheme": "basic" | "Basic"}:
                headers["Authorization"] = "Basic dXNlcjpzZWNyZXQ="
            case {"type": "http" | "oauth2" | "openIdConnect"}:
                headers["Authorization"] = "Bearer secret"
    return Injected(headers, query="&".join(query))

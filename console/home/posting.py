"""The way out for notices: that of the door, with its guards."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from console.notices.above import NotTaken
from integrations.outbound import NotSent, Unknown, fetch
from integrations.render import CONTENT_TYPES, DEFAULT_PORTS, Rendered


def post(url: str, body: bytes, headers: Mapping[str, str], secrets: Iterable[str]) -> int:
    """JSON, on a connection of its own. Its texts quote the address nowhere: whoever knows it may write there."""
    parts = urlsplit(url)
    rendered = Rendered("POST", parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme],
                        parts.path or "/", parts.query, CONTENT_TYPES["json"], (), body)  # fmt: skip
    try:
        return fetch(rendered, headers, secrets=secrets)[0]
    except (NotSent, Unknown) as fault:
        raise NotTaken(f"It could not be reached: {fault}") from None

"""A copy as it is sent: what the forwarder on the agent's machine says it saw. All of it is a stranger's word."""

from typing import Annotated, Any, Literal
from urllib.parse import unquote_plus, urlsplit

from ninja import Field, Schema
from pydantic import AwareDatetime

from integrations.recognise import Heard

REMOVED = "-removed-"  # what stands where a secret was
MOST = 100
Text = Annotated[str, Field(max_length=70_000)]
Name = Annotated[str, Field(max_length=100)]


class _Seen(Schema):
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")
    at: AwareDatetime
    left_out: Literal["", "too_long", "unreadable", "no_text", "encoded"] = ""
    removed: list[Name] = Field(default_factory=list, max_length=50)


class SeenRequest(_Seen):
    """`path` and `query` as they were sent, still encoded; `origin` as in `https://api.example.com`. `body` is None
    where none was copied, and `left_out` says why."""

    kind: Literal["http"]
    method: str = Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}$")
    origin: str = Field(max_length=300, pattern=r"^https?://[A-Za-z0-9.:_\[\]-]+$")
    path: Text
    query: Text = ""
    headers: dict[Name, Annotated[str, Field(max_length=2_000)]] = Field(default_factory=dict, max_length=20)
    body: Annotated[str, Field(max_length=600_000)] | None = None
    status: int | None = Field(None, ge=100, le=999)

    @property
    def failed(self) -> bool:
        return self.status is None or self.status >= 400

    def heard(self, path: str, *, without_removed: bool = False) -> Heard:
        """With the path where a base URL ends. A credential that stood in the query was no argument of anything."""
        query = self.query
        if without_removed:
            query = "&".join(one for one in query.split("&") if unquote_plus(one.partition("=")[2]) != REMOVED)
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        return Heard(self.method, path, query, headers, (self.body or "").encode(errors="replace"))

    def below(self, base_url: str) -> str | None:
        """The path after it; None for another address."""
        prefix = urlsplit(base_url).path.rstrip("/")
        if _origin(base_url) != _origin(self.origin):
            return None
        return self.path[len(prefix) :] or "/" if f"{self.path}/".startswith(f"{prefix}/") else None


class SeenTool(_Seen):
    """One call of a tool of the MCP server that is connected under this name."""

    kind: Literal["mcp"]
    integration: str = Field(max_length=64)
    tool: str = Field(max_length=200)
    arguments: dict[str, Any] | None = None
    failed: bool = False


Seen = Annotated[SeenRequest | SeenTool, Field(discriminator="kind")]


def _origin(address: str) -> tuple[str, str | None, int] | None:
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None

"""Who acts. Every act takes an Actor; rooms below accounts know people only by this."""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from console.core.errors import Forbidden


class Role(StrEnum):
    REVIEWER = "reviewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Actor:
    """`kind` is human, agent or system; `auth` is session, token or process. `team` is "" for the instance itself."""

    kind: str
    id: str
    team: str = ""
    auth: str = "process"
    name: str = ""
    roles: frozenset[Role] = field(default=frozenset())
    groups: frozenset[str] = field(default=frozenset())
    stepped_up_at: dt.datetime | None = None

    @property
    def interactive(self) -> bool:
        """A person in a browser session: the only kind of actor that decides."""
        return self.kind == "human" and self.auth == "session"

    def has(self, *roles: Role) -> bool:
        return not self.roles.isdisjoint(roles)

    def require(self, *roles: Role) -> None:
        if not self.has(*roles):
            wanted = " or ".join(roles)
            raise Forbidden(f"This needs the role {wanted} in your team.")


def system(process: str, team: str = "") -> Actor:
    """The console itself, named by the process that acts."""
    return Actor(kind="system", id=process, team=team)


ANONYMOUS = Actor(kind="anonymous", id="", auth="none")

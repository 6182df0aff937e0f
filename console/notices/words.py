"""What a message says: that something waits, of what kind, until when, and where to look. Pure.

Never what an action does, to whom, or what anybody said of it: mail and chat are read by more people than may know
that, and by their programs. Never how anybody voted. Its links lead to pages, and no page decides by being opened.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from console.core.chips import is_hidden
from console.core.clock import iso

SHOWN = 20  # of one message; the rest is counted
LONGEST = 120  # characters of a title
BESIDE = {"reminder": "half of the time is over", "asked": "a reviewer asks you to look"}
TYPE = "countersign.reviews.waiting"


@dataclass(frozen=True, slots=True)
class Item:
    review: str
    url: str
    kind: str  # of the review
    integration: str
    operation: str
    categories: tuple[str, ...]
    due_at: dt.datetime | None
    occasion: str

    @property
    def title(self) -> str:
        return _plain(f"{self.integration}: {self.operation}")

    @property
    def ended(self) -> bool:
        return self.occasion == "ended"

    @property
    def asks(self) -> str:
        """What is wanted, where it is not a signature."""
        return {"doubt": "did it happen?"}.get(self.kind, "") if not self.ended else "has ended"


@dataclass(frozen=True, slots=True)
class Told:
    """`others` wait besides; `zone` is how its reader counts hours. A channel is read by several, so it says no
    "for you"."""

    team: str
    items: Sequence[Item]
    others: int
    url: str
    settings_url: str
    zone: str
    at: dt.datetime
    personal: bool = True

    @property
    def waiting(self) -> list[Item]:
        return sorted((one for one in self.items if not one.ended), key=_soonest)

    @property
    def ended(self) -> list[Item]:
        return [one for one in self.items if one.ended]

    @property
    def link(self) -> str:
        return self.items[0].url if len(self.items) == 1 else self.url

    @property
    def subject(self) -> str:
        """The same for one review whenever it is told of, so that its letters stay together."""
        if len(self.items) == 1:
            one = self.items[0]
            return one.title if one.ended else f"{one.title} waits{self._whom}"
        return self._waits(len(self.waiting)) if self.waiting else f"{len(self.ended)} actions have ended"

    @property
    def headline(self) -> str:
        """`3 actions wait for you in Acme; the first is due at 14:20 (Europe/Berlin).`"""
        team = f" in {_plain(self.team)}"
        if not self.waiting:
            return f"What you asked for{team} has ended."
        due = next((one.due_at for one in self.waiting if one.due_at), None)
        which = "it" if len(self.waiting) == 1 else "the first"
        until = f"; {which} is due {self.moment(due)} ({self.zone})" if due else ""
        return f"{self._waits(len(self.waiting))}{team}{until}."

    @property
    def lines(self) -> list[tuple[Item, str]]:
        """Each with what is said beside its title."""
        shown = [*self.waiting, *self.ended][:SHOWN]
        return [(one, ", ".join(filter(None, self._beside(one)))) for one in shown]

    def _beside(self, one: Item) -> list[str]:
        due = f"due {self.moment(one.due_at)}" if one.due_at and not one.ended else ""
        return [_plain(", ".join(one.categories).replace("_", " ")), due, one.asks,
                BESIDE.get(one.occasion, "")]  # fmt: skip

    @property
    def more(self) -> str:
        """Of what is not listed."""
        hidden = self.others + max(0, len(self.items) - SHOWN)
        return f"{hidden} more {'waits' if hidden == 1 else 'wait'}{self._whom}." if hidden else ""

    @property
    def _whom(self) -> str:
        return " for you" if self.personal else ""

    def _waits(self, count: int) -> str:
        return f"1 action waits{self._whom}" if count == 1 else f"{count} actions wait{self._whom}"

    def moment(self, due: dt.datetime) -> str:
        local, today = due.astimezone(ZoneInfo(self.zone)), self.at.astimezone(ZoneInfo(self.zone)).date()
        return f"at {local:%H:%M}" if local.date() == today else f"on {local.day} {local:%b} at {local:%H:%M}"


def _soonest(one: Item) -> tuple[bool, dt.datetime, str]:
    return one.due_at is None, one.due_at or dt.datetime.max.replace(tzinfo=dt.UTC), one.review


def _plain(text: str) -> str:
    """A title comes from a document of others: one line, and nothing in it that cannot be seen."""
    spelled = "".join(f"[U+{ord(one):04X}]" if is_hidden(one) and one != "\t" else one for one in text)
    line = " ".join(spelled.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def letter(told: Told) -> str:
    lines = [f"- {one.title}{f' ({beside})' if beside else ''}\n  {one.url}" for one, beside in told.lines]
    parts = [told.headline, "\n".join(lines), told.more, f"All that waits: {told.url}",
             f"When and how you are told: {told.settings_url}"]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def payload(told: Told) -> bytes:
    """For programs, in the form of Standard Webhooks."""
    reviews = [
        {"id": one.review, "kind": one.kind, "integration": one.integration, "operation": one.operation,
         "categories": list(one.categories), "due": iso(one.due_at) if one.due_at else None, "url": one.url,
         "reminder": one.occasion == "reminder"}
        for one in told.waiting
    ]  # fmt: skip
    data = {"team": told.team, "reviews": reviews, "waiting": len(reviews) + told.others, "url": told.url}
    return _json({"type": TYPE, "timestamp": iso(told.at), "data": data})


def chat(told: Told) -> bytes:
    """Plain text throughout: a title that asks for everybody's attention does not get it."""
    lines = "\n".join(f"• {one.title}{f' ({beside})' if beside else ''}" for one, beside in told.lines)
    return _blocks(told.headline, "\n\n".join(filter(None, (lines, told.more))), told.link)


def _blocks(text: str, body: str, url: str) -> bytes:
    plain = {"type": "plain_text", "text": f"{text}\n\n{body}"[:3000], "emoji": False}
    button = {"type": "button", "text": {"type": "plain_text", "text": "Open in Countersign"}, "url": url}
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    blocks = [{"type": "section", "text": plain}, {"type": "actions", "elements": [button]}]
    return _json({"text": escaped, "blocks": blocks})


def trial_payload(team: str, url: str, at: dt.datetime) -> bytes:
    return _json({"type": "countersign.test", "timestamp": iso(at), "data": {"team": team, "url": url}})


def trial_chat(team: str, url: str) -> bytes:
    return _blocks(f"A test from Countersign, for {_plain(team)}.", "Nothing waits because of it.", url)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

"""What an action stands in, as the sheet says it: what the console knows, apart from what an agent says. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_NAMED = 5  # operations
FAR = 75  # of 100, in words: what the docs measured of things that were asked for is less, but for one
_UNKNOWN = "Not known: an answer or an event that came in is not described."


@dataclass(frozen=True, slots=True)
class Around:
    """`quoted` is what a person typed, who is named before it, and stays text of theirs."""

    label: str
    text: str
    quoted: str = ""


def around(context: Mapping[str, Any], requester: str) -> list[Around]:
    """Empty where there is no context. `requester` is the name of whoever it is for, where it is known."""
    return list(_around(context, requester or context.get("on_behalf_of", ""))) if context else []


def told_by_agent(context: Mapping[str, Any]) -> str:
    """What a person wanted, as the agent tells it."""
    request = context.get("request", {})
    return str(request["text"]) if request.get("by") == "agent" else ""


def _around(context: Mapping[str, Any], name: str) -> Iterator[Around]:
    yield Around("Environment", context["environment"] or "Nobody has named it.")
    yield Around("Done in this run" if context["within"] == "run" else "Done in 24 hours", _done(context))
    yield Around("Read here", _read(context["data"]))
    yield Around("Outsiders’ words", _OUTSIDE[context["untrusted"]])
    request = context.get("request", {})
    if request.get("by") == "person":
        yield Around("Asked for", f"by {name}", str(request["text"]))
    if "distance" in context:
        yield Around("Distance from that", _away(context["distance"]))


_OUTSIDE = {
    True: "It has read some here: what it wants now may be their idea.",
    False: "None in what it read here.",
    None: _UNKNOWN,
}


def _away(distance: int | None) -> str:
    if distance is None:
        return "Not available: what measures it is not installed, or nobody has reviewed the operation’s title."
    far = "Far from what was asked for" if distance >= FAR else "Not far from what was asked for"
    return f"{far}: {distance} of 100, by the operation’s title alone. A hint."


def _done(context: Mapping[str, Any]) -> str:
    actions, writes = context["actions"], context["writes"]
    if not actions:
        return "Nothing else."
    changing = f"{writes:,} with an effect" if writes else "none with an effect"
    often = sorted(context["operations"].items(), key=lambda one: (-one[1], one[0]))
    named = [f"{operation} ({times:,})" for operation, times in often[:MOST_NAMED]]
    more = f" and {len(often) - MOST_NAMED:,} more operations" if len(often) > MOST_NAMED else ""
    return f"{actions:,} action{'s' * (actions > 1)}, {changing}: {', '.join(named)}{more}."


def _read(data: list[str] | None) -> str:
    if data is None:
        return _UNKNOWN
    return f"{', '.join(data).replace('_', ' ')} data" if data else "No data of any class."

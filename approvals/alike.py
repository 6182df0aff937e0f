"""Names that look like one that was approved before, and are another. Shown, and never decided by."""

from collections.abc import Iterator, Mapping
from typing import Any

from approvals.models import Action, ApprovedName
from approvals.web_address import address_of, in_letters
from console.core.skeleton import skeleton
from console.core.statements import Statement

LONGEST = 300  # characters of a name
MOST = 500  # names of one action: an agent may ask for any number of addresses
_COUNT = """
    INSERT INTO approvals_approvedname (team_id, skeleton, name, times)
    SELECT %s, skeleton, name, 1 FROM unnest(%s::text[], %s::text[]) AS given(skeleton, name)
    ON CONFLICT (team_id, skeleton, name) DO UPDATE
    SET times = approvals_approvedname.times + 1, last_at = statement_timestamp()"""


def names_of(action: Action) -> list[str]:
    """Whom or where it concerns: its counterparty, and of its facts identities and hosts. In one order for all, so that
    two who count them wait for each other."""
    told = {action.counterparty, *(name for fact in action.facts for name in names_in(fact))}
    return sorted(name for name in told if 0 < len(name) <= LONGEST)[:MOST]


def names_in(fact: Mapping[str, Any]) -> Iterator[str]:
    value = fact.get("becomes")
    if fact.get("format") == "identity":
        yield from (one for one in (value, fact.get("name")) if isinstance(one, str))
    elif fact.get("format") == "url" and isinstance(value, str) and (address := address_of(value)):
        yield in_letters(address.host.lower())


def remembering(action: Action) -> list[Statement]:
    """To be run in the transaction in which it is approved."""
    names = names_of(action)
    return [Statement(_COUNT, [action.team_id, list(map(skeleton, names)), names])] if names else []


def look_alikes(*actions: Action) -> dict[str, str]:
    """What is said of each name that another one, approved at least as often, looks like. One query; all of one
    team."""
    looks = {name: skeleton(name) for action in actions for name in names_of(action)}
    if not looks:
        return {}
    rows = ApprovedName.objects.filter(team=actions[0].team_id, skeleton__in=set(looks.values()))
    known = list(rows.order_by("-times", "name"))
    times = {one.name: one.times for one in known}
    said = {}
    for name, look in looks.items():
        others = [one for one in known if one.skeleton == look and one.name != name]
        if others and others[0].times >= times.get(name, 0):
            said[name] = _say(others[0])
    return said


def _say(other: ApprovedName) -> str:
    often = "once" if other.times == 1 else f"{other.times:,} times"
    return f"looks like {other.name}, which was approved {often}, but is another name"

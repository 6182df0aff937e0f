"""The policy lab: what can be said about a policy without asking it about anything that happened.

It looks at more situations than there can be, and at none less: an unreachable rule is certain, and a promise that is
kept is kept. What an expression says is supposed to be anything at all, so an example may be one that its expressions
do not admit; those that the policy itself confirms say so.

Rules that change something are left out: what is changed is then answered as any other situation is.

What stands above every policy is left out where promises are checked: they are about what is written. Where two
policies are compared it counts, as if a mandate covered everything: a mandate lets the policy's own answer through.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from approvals.policies.changes import Comparison
from approvals.policies.conflicts import Conflicts
from approvals.policies.findings import Changes, Findings, Unfinished
from approvals.policies.promises import Promises
from approvals.policies.reach import Reach
from approvals.policies.search import Enough, OutOfTime, Search
from approvals.policies.subject import Subject
from approvals.policies.terms import World
from approvals.policies.unknowns import Unknowns

SECONDS = 10.0
Item = TypeVar("Item")
Found = TypeVar("Found")


def analyse(document: Mapping[str, Any], *, seconds: float = SECONDS) -> Findings:
    """Of a document that `parse` gave. What matters most comes first, since the time may end."""
    search, unfinished, document = Search(seconds), list[Unfinished](), _answering(document)
    subject = Subject(World([document], search), document)
    promises, reach, unknowns = Promises(subject), Reach(subject), Unknowns(subject)
    rules = range(len(subject.rules))
    return Findings(
        broken=_each("promises", promises.all, promises.broken, unfinished),
        contradictory=(
            *_each("promises", promises.all, promises.contradictory, unfinished),
            *_each("contradictions", rules, reach.contradictory, unfinished),
        ),
        unreachable=_each("rules", rules, reach.unreachable, unfinished),
        unknown=_each("unknowns", unknowns.fields, unknowns.of, unfinished),
        conflicts=_each("conflicts", rules[:-1], Conflicts(subject).of, unfinished),
        unfinished=tuple(unfinished),
    )


def check_promises(document: Mapping[str, Any], *, seconds: float = SECONDS) -> Findings:
    """Nothing but whether they are kept."""
    search, unfinished, document = Search(seconds), list[Unfinished](), _answering(document)
    promises = Promises(Subject(World([document], search), document))
    broken = _each("promises", promises.all, promises.broken, unfinished)
    return Findings(broken=broken, unfinished=tuple(unfinished))


def compare(old: Mapping[str, Any] | None, new: Mapping[str, Any], *, seconds: float = SECONDS) -> Changes:
    """What the new document would let through more easily. Without an old one everything was denied."""
    search, unfinished = Search(seconds), list[Unfinished]()
    old, new = _answering(old) if old is not None else None, _answering(new)
    comparison = Comparison(World([one for one in (old, new) if one is not None], search), old, new)
    return Changes(_each("changes", comparison.events, comparison.laxer, unfinished), tuple(unfinished))


def _answering(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**document, "rules": [rule for rule in document["rules"] if rule["then"] != "modify"]}


def _each(
    part: str, items: Sequence[Item], look: Callable[[Item], Iterable[Found]], unfinished: list[Unfinished]
) -> tuple[Found, ...]:
    found: list[Found] = []
    for number, item in enumerate(items):
        try:
            found += look(item)
        except (OutOfTime, Enough) as end:
            unfinished.append(Unfinished(part, number, len(items), capped=isinstance(end, Enough)))
            break
    return tuple(found)

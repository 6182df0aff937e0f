"""How a vote came to be, kept beside it: how long, over how much, and what was opened. For the reviewer first."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from approvals.models import Action, Decision
from audit.vocabulary import Kind
from console.core.statements import Statement

LONGEST_MS = 30 * 60 * 1_000  # a page that lay open over lunch was not read for so long
UNFOLDED = frozenset({"words", "evidence", "call"})  # what a browser may say was opened

# The log tells when somebody first had a review on their screen: looking changes no other row.
_MEASURE = """
INSERT INTO approvals_votemeasure (decision_id, dwell_ms, facts, characters, missed, unfolded)
SELECT %s, (SELECT greatest(0, least(%s, extract(epoch FROM statement_timestamp() - min(at)) * 1000))::int
            FROM audit_log WHERE subject = %s AND kind = %s AND actor = %s AND at >= %s HAVING min(at) IS NOT NULL),
       %s, %s, coalesce((SELECT missed FROM approvals_look WHERE review_id = %s AND reviewer_id = %s), 0), %s"""


def measuring(decision: Decision, action: Action, unfolded: Collection[str]) -> Statement:
    """To be run in the transaction that stores the decision."""
    review, reviewer = decision.review, decision.reviewer_id
    values = [
        decision.pk, LONGEST_MS, review.pk, Kind.PAGE_READ, reviewer, review.opened_at, len(action.facts),
        characters(action.sentence, action.facts), review.pk, reviewer, sorted(UNFOLDED.intersection(unfolded)),
    ]  # fmt: skip
    return Statement(_MEASURE, values)


def characters(sentence: str, facts: Collection[Mapping[str, Any]]) -> int:
    """Of the sentence, and of each line's label and its values."""
    told = [sentence, *(text for fact in facts for text in _texts(fact))]
    return sum(map(len, told))


def _texts(fact: Mapping[str, Any]) -> Iterator[str]:
    for name in ("label", "was", "becomes"):
        if (value := fact.get(name)) is not None:
            yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

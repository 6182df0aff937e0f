"""One rule of a policy asks people, and everything else stays as somebody wrote it."""

import difflib

import pytest

from approvals.care.tighten import tightened
from approvals.policies.document import parse

SOURCE = """\
# What we let through, and why.
policy: p
rules:
  - {id: reads, when: {effect: [read]}, then: allow}  # nothing happens

  - id: small
    label: Little money, "as agreed"
    when:
      amount: {currency: eur, at_most: 5000}
    then: allow

  # The rest.
  - id: rest
    when: {}
    then: review
    review: {slots: [{group: finance}]}
"""


@pytest.mark.parametrize("rule", ["reads", "small"])
def test_that_rule_alone_becomes_a_review(rule: str) -> None:
    document = parse(SOURCE)
    after = tightened(SOURCE, document, rule, {"law", "finance"})
    expected = [{**one, **({"then": "review", "review": {"slots": [{"group": "finance"}, {"group": "law"}]}}
                           if one["id"] == rule else {})} for one in document["rules"]]  # fmt: skip
    assert parse(after) == {**document, "rules": expected}
    gone = [line for line in difflib.ndiff(SOURCE.splitlines(), after.splitlines()) if line.startswith("- ")]
    assert all(part in after for part in ("# What we let through", "# nothing happens", "# The rest.", "\n\n"))
    assert len(gone) == {"reads": 1, "small": 5}[rule]


@pytest.mark.parametrize("rule", ["rest", "nobody"])
def test_what_asks_already_or_is_gone_is_left_alone(rule: str) -> None:
    assert tightened(SOURCE, parse(SOURCE), rule, {"finance"}) == ""

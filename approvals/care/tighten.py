"""A policy's text with one of its rules asking people, and everything else as it was written. Pure."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml


def tightened(source: str, document: Mapping[str, Any], rule: str, groups: Collection[str]) -> str:
    """With this rule as a review by one of each group; "" where there is no such rule, or it allows nothing."""
    old = next((one for one in document["rules"] if one["id"] == rule), None)
    place = next((node for node, name in _rules(source) if name == rule), None)
    if old is None or place is None or old["then"] != "allow":
        return ""
    new = {**old, "then": "review", "review": {"slots": [{"group": group} for group in sorted(groups)]}}
    return source[: place.start_mark.index] + json.dumps(new, ensure_ascii=False) + source[_end(place) :]


def _rules(source: str) -> Iterator[tuple[yaml.Node, str]]:
    root = yaml.compose(source, yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "rules":
            for node in value.value:
                yield node, next((inner.value for name, inner in node.value if name.value == "id"), "")


def _end(node: yaml.Node) -> int:
    """Of what was written. A block's own end is where the next thing begins, behind comments and empty lines."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)

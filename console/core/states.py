"""States and the moves between them: one table per noun, which the database's guard trigger repeats."""

from collections.abc import Mapping

from console.core.errors import Conflict

Transitions = Mapping[str, frozenset[str]]


def transitions(**moves: str) -> Transitions:
    """`transitions(initial="planned", planned="ready cancelled", ready="")`; "initial" lists how a row may begin."""
    table = {source: frozenset(targets.split()) for source, targets in moves.items()}
    unknown = frozenset().union(*table.values()) - table.keys()
    if unknown:
        raise ValueError(f"states without a line of their own: {sorted(unknown)}")
    return table


def check(table: Transitions, source: str, target: str) -> None:
    if target not in table.get(source, frozenset()):
        raise Conflict(f"It is {source} now and cannot become {target}.")


def trigger_arguments(table: Transitions) -> list[str]:
    """The arguments of `audit_guard_change` for this table, sorted: `initial>planned`, `planned>ready`, …"""
    return sorted(f"{source}>{target}" for source, targets in table.items() for target in targets)


def final(table: Transitions) -> frozenset[str]:
    return frozenset(state for state, targets in table.items() if not targets)

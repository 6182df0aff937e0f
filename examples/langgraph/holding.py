"""A held call as an interrupt of the graph: the run is paused while people decide, and its process may end."""

from typing import Any

from langgraph.types import interrupt

from examples.frameworks.asking import Console, told


def held(console: Console, operation: str, arguments: dict[str, Any], *, key: str) -> str:
    """What the model is told in the end. The node begins anew each time the run is resumed, and the key finds the same
    action. What the run is resumed with says nothing: the console is asked."""
    action = console.ask(operation, arguments, key=key)
    while not action["settled"]:
        interrupt({"action": action["id"], "review": action["review"]})
        action = console.look(action["id"])
    return told(action)

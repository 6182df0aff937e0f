"""What a person gives a run, checked against the inputs that its workflow describes. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from console.core.errors import Invalid
from console.core.patterns import fits


def read_inputs(document: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values with defaults filled in; texts (from a form) are converted. Raises Invalid naming the input."""
    described = document.get("inputs", {})
    unknown = given.keys() - described.keys()
    if unknown:
        raise Invalid(f"The workflow has no input {sorted(unknown)[0]!r}.")
    return {name: _value(name, spec, given.get(name)) for name, spec in described.items()}


def _value(name: str, spec: Mapping[str, Any], value: Any) -> Any:
    if value is None or value == "":
        if "default" not in spec:
            raise Invalid(f"Give the input {name!r}.")
        return spec["default"]
    match spec["type"], value:
        case "integer", int() if not isinstance(value, bool):
            return value
        case "integer", str() if re.fullmatch(r"-?[0-9]{1,15}", value):
            return int(value)
        case "boolean", bool():
            return value
        case "boolean", "true" | "on":
            return True
        case "boolean", "false":
            return False
        case "string", str() if fits(spec.get("pattern", r"(?s:.{0,1000})"), value):
            return value
    raise Invalid(
        f"The input {name!r} must be of type {spec['type']}" + (" and match its pattern." if "pattern" in spec else ".")
    )

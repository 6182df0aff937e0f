"""JSON from strangers, as far as the database can keep it."""

import json
import math
from typing import Any


def read_json(text: str) -> Any:
    """Raises ValueError, also for NaN and numbers that are beyond what can be kept, such as 1e999; RecursionError for
    what is nested too deep."""
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(written: str) -> float:
    value = float(written)
    if not math.isfinite(value):
        raise ValueError(f"{written:.40} is no number that can be kept")
    return value

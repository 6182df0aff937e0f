"""Where the log goes outside, as a file says: `COUNTERSIGN_PUBLISHING_FILE`, YAML. Without one it goes nowhere."""

from collections.abc import Mapping
from typing import Any

import yaml
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from audit import anchors, streams
from audit.outlets import Anchoring, Way, Witness
from audit.verify import Mismatch, VKey

PARTS = {"witnesses", "anchors", "streams"}


def ways() -> list[Way]:
    """Raises ImproperlyConfigured, with the place of what is wrong."""
    return read(settings.PUBLISHING)


def read(text: str) -> list[Way]:
    try:
        given = yaml.safe_load(text) or {}
    except yaml.YAMLError as fault:
        raise ImproperlyConfigured(f"The publishing file is not YAML: {fault}") from fault
    if not isinstance(given, dict) or not given.keys() <= PARTS:
        raise ImproperlyConfigured(f"The publishing file holds {', '.join(sorted(PARTS))}, and nothing else.")
    found: list[Way] = [_part(_witness, "witnesses", one) for one in given.get("witnesses") or []]
    found += [_part(_anchor, "anchors", one) for one in given.get("anchors") or []]
    found += [_part(streams.build, "streams", one) for one in given.get("streams") or []]
    names = [way.name for way in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ImproperlyConfigured(f"Two entries of the publishing file are named {', '.join(twice)}.")
    return found


def _part(make: Any, part: str, one: object) -> Way:
    if not isinstance(one, Mapping):
        raise ImproperlyConfigured(f"{part}: each entry is a set of keys and values.")
    try:
        way: Way = make(dict(one))
    except (Mismatch, KeyError, TypeError, ValueError) as fault:
        said = f"{fault} is missing" if isinstance(fault, KeyError) else str(fault)
        raise ImproperlyConfigured(f"{part}, {one.get('name') or one.get('key') or 'an entry'}: {said}") from fault
    return way


def _witness(given: dict[str, Any]) -> Way:
    VKey.parse(given["key"])
    return Witness(vkey=given["key"], url=given["url"], every=float(given.get("every", 10)))


def _anchor(given: dict[str, Any]) -> Way:
    name, every = str(given.pop("name")), float(given.pop("every", 3600))
    return Anchoring(name, anchors.build(given), every)

"""The demo's people for the switcher, with the passwords that the seed wrote down."""

import json

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def demo_people() -> list[dict[str, object]]:
    """Empty until the seed has written its file."""
    try:
        logins = json.loads((settings.STATE_DIR / "demo.json").read_text())
    except FileNotFoundError:
        return []
    people: list[dict[str, object]] = logins["personas"]
    return people

"""Filters for all templates: values as people read them. Each takes None as well, and then says a dash."""

import datetime as dt

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from console.core import chips as _chips
from console.core import ids, text
from console.core import words as _words
from console.core.clock import now

register = template.Library()

DASH = "–"


@register.filter
def ago(moment: dt.datetime | None) -> str | SafeString:
    """A <time>: relative, the exact moment on hover. static/js/times.js keeps it fresh, in the reader's time zone."""
    if moment is None:
        return DASH
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        moment.astimezone(dt.UTC).isoformat(timespec="milliseconds"),
        text.exact(moment),
        text.ago(moment, now()),
    )


@register.filter
def moment(at: dt.datetime) -> str:
    """Date and time in full, also on paper."""
    return text.exact(at)


@register.filter
def duration(value: dt.timedelta | float | None, unit: str = "s") -> str:
    """`{{ seconds|duration }}`, `{{ nanoseconds|duration:"ns" }}`; a timedelta needs no unit."""
    if value is None:
        return DASH
    if isinstance(value, dt.timedelta):
        return text.duration(value.total_seconds())
    return text.duration(value / {"s": 1, "ms": 1_000, "ns": 1_000_000_000}[unit])


@register.filter
def money(minor: int | None, currency: str) -> str:
    """`{{ 48000|money:"eur" }}` → €480.00"""
    return DASH if minor is None else text.money(minor, currency)


@register.filter
def grouped(number: int | None) -> str:
    """1234567 → 1,234,567"""
    return DASH if number is None else f"{number:,}"


@register.filter
def hexed(raw: bytes | memoryview | None) -> str:
    return bytes(raw).hex() if raw else DASH


@register.filter
def short(identifier: str | None) -> str:
    return ids.short(identifier) if identifier else DASH


@register.filter
def words(digest: bytes | memoryview | str | None) -> str:
    """Of raw bytes, or of their hex form."""
    if not digest:
        return DASH
    return _words.words(bytes.fromhex(digest) if isinstance(digest, str) else bytes(digest))


@register.filter
def chips(value: object) -> SafeString:
    """For every text that people or agents wrote. <bdi> keeps its direction from reordering what stands beside it."""
    return mark_safe(f"<bdi>{_chips.chips(str(value))}</bdi>")  # noqa: S308  # chips() escapes


@register.filter
def exactly(value: object) -> SafeString:
    """For a value that will be sent, where each character counts."""
    return mark_safe(f'<bdi class="exact">{_chips.exact(str(value))}</bdi>')  # noqa: S308  # exact() escapes


@register.filter
def pretty(value: object) -> SafeString:
    """Indented JSON, for inside <pre class="code">."""
    return mark_safe(_chips.chips(text.pretty(value)))  # noqa: S308  # chips() escapes

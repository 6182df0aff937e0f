"""How values are said to people: durations, money, moments. Pure, so that pages and mails say the same."""

import datetime as dt
import json

# ISO 4217: currencies whose minor unit is not a hundredth.
_WHOLE = (
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
)
_EXPONENTS = dict.fromkeys(_WHOLE, 0) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
# Only signs that mean one currency to every reader; a bare dollar sign is taken as the United States'.
_SIGNS = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥", "INR": "₹", "KRW": "₩", "ILS": "₪", "VND": "₫"}

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """`just now`, `18 min ago`, `in 3 h`, `5 d ago`; a date beyond a week. static/js/times.js says the same."""
    seconds = (now - moment).total_seconds()
    distance = abs(seconds)
    if distance < 45:
        return "just now"
    if distance >= 7 * _DAY:
        return f"{moment.day} {moment:%b %Y}"
    said = _round(distance)
    return f"{said} ago" if seconds > 0 else f"in {said}"


def _round(seconds: float) -> str:
    for size, name in ((_DAY, "d"), (_HOUR, "h")):
        if seconds >= size:
            return f"{int(seconds // size)} {name}"
    return f"{max(1, int(seconds // _MINUTE))} min"


def exact(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def given_time(time: dt.timedelta) -> str:
    """As people say how long there is for something: `4 h`, `1 d`, `30 min`."""
    said = duration(round(time.total_seconds(), -1))
    return said.removesuffix(" 00 min").removesuffix(" 0 h").replace(".0 min", " min")


def duration(seconds: float) -> str:
    """`61 ms`, `2.1 s`, `48 s`, `2.1 min`, `38 min`, `3 h 05 min`, `2 d 4 h`."""
    if seconds < 0:
        return f"−{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.5:
        return f"{_two_figures(seconds)} s"
    minutes = seconds / _MINUTE
    if minutes < 59.5:
        return f"{_two_figures(minutes)} min"
    hours, rest = divmod(round(minutes), 60)
    if hours < 24:
        return f"{hours} h {rest:02} min"
    return f"{hours // 24} d {hours % 24} h"


def _two_figures(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def money(minor: int, currency: str) -> str:
    """From minor units: `€480.00`, `¥48,000`, `CHF 12.50`, `−$3.00`. Whole numbers only: money is never a float."""
    code = currency.upper()
    places = _EXPONENTS.get(code, 2)
    whole, part = divmod(abs(minor), 10**places)
    amount = f"{whole:,}" + (f".{part:0{places}}" if places else "")
    sign = "−" if minor < 0 else ""
    return f"{sign}{_SIGNS[code]}{amount}" if code in _SIGNS else f"{sign}{code} {amount}"


def minor_units(said: str, currency: str) -> int | None:
    """Of an amount as people write it, such as `1,200.50`; None for what is none, or has more places than there are."""
    places = _EXPONENTS.get(currency.upper(), 2)
    whole, point, part = said.strip().replace(",", "").partition(".")
    digits = whole + part.ljust(places, "0")
    if not whole or len(part) > places or (point and not part) or not (digits.isascii() and digits.isdecimal()):
        return None
    return int(digits) if len(digits) <= 15 else None


def pretty(value: object) -> str:
    """Indented JSON in the order given; what JSON has no form for is written as its text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)

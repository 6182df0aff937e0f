"""Identifiers: a prefix and a UUIDv7 in Crockford base 32 (TypeID 0.3), so that an id in a log says what it names."""

import os
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def uuid7() -> str:
    """A time-ordered UUID (RFC 9562 §5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    digits = f"{_bits():032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_id(prefix: str) -> str:
    """For example `run_01jd3v9k2hf4xas3m8q4c2w7ye`: sorts by time of creation, 26 characters after the prefix."""
    number = _bits()
    return f"{prefix}_" + "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def _bits() -> int:
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    return value & ~(0x3 << 62) | 0x2 << 62


def short(identifier: str) -> str:
    """The prefix and the last four characters: enough for a person to tell rows of one page apart."""
    prefix, _, rest = identifier.partition("_")
    return f"{prefix}_{rest[-4:]}"

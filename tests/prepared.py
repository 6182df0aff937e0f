"""What many tests begin with, made once per process: by the fixture that wants it, a database to be copied."""

from collections.abc import Callable, Iterable

from tests.services import TEMPLATE

beginnings: dict[str, Callable[[], str]] = {}


def beginning_of(fixtures: Iterable[str]) -> str:
    """The database that a test with these fixtures gets a copy of; as migrated, where none of them wants another."""
    made = next((beginnings[name] for name in fixtures if name in beginnings), None)
    return made() if made else TEMPLATE

"""Every address is in the table of tests/routes.py, by a name, and none of them weakens what the middleware does."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from tests.routes import ROUTES, UNANSWERED, names


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern)
        else:
            yield pattern


def test_every_address_has_a_name_and_its_line_in_the_table() -> None:
    assert "None" not in names()
    assert names() - UNANSWERED == ROUTES.keys()


def test_no_two_addresses_share_a_name() -> None:
    """An address of the API with two methods is there twice, for one view."""
    found = {(str(pattern.name), str(pattern.pattern)) for pattern in patterns(get_resolver())}
    names_found = [name for name, _ in found]
    assert sorted(set(names_found)) == sorted(names_found)


def wrapped(view: Any) -> Iterator[Any]:
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", None)


@pytest.mark.parametrize("pattern", list(patterns(get_resolver())), ids=lambda pattern: str(pattern.name))
def test_no_view_that_writes_is_exempt_from_the_check_of_forged_requests(pattern: URLPattern) -> None:
    exempt = any(getattr(view, "csrf_exempt", False) for view in wrapped(pattern.callback))
    name = f"api-1:{pattern.name}" if f"api-1:{pattern.name}" in ROUTES else str(pattern.name)
    writes = name in ROUTES and "POST" in ROUTES[name].methods
    assert not (exempt and writes and ROUTES[name].kind != "agent")


def test_peoples_programs_only_read() -> None:
    """Agents ask by a token of their own; what a browser sends along by itself counts for nothing there."""
    programs = [route for name, route in ROUTES.items() if name.startswith("api-1:") and route.kind != "agent"]
    methods = {method for route in programs for method in route.methods}
    assert methods <= {"GET", "HEAD"}


def test_the_checks_that_every_request_passes_are_there_in_their_order() -> None:
    order = [name.rpartition(".")[2] for name in settings.MIDDLEWARE]
    wanted = ["ContentSecurityPolicy", "SessionMiddleware", "CsrfViewMiddleware", "AuthenticationMiddleware",
              "XFrameOptionsMiddleware", "ActorMiddleware", "Refusals"]  # fmt: skip
    assert [name for name in order if name in wanted] == wanted

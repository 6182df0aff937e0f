"""People whom a provider shows for the first time: what they are called here, and that each is one person."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from console.accounts.arrival import admit, free_username, printed_name
from console.accounts.models import Identity, Membership, Team, User
from console.accounts.people import USERNAME, create_user
from console.accounts.providers import IdentityProvider
from tests.accounts.conftest import SYSTEM

CORP = IdentityProvider("corp", "Corp", "https://id.example", "c", "s")
MAPPING = "[{claim: groups, value: x, team: billing, roles: [reviewer]}]"


def test_newcomer_in_many_browsers_at_once_is_one_person(committed: str, team: Team, settings: Any) -> None:
    settings.OIDC_MAPPING, settings.OIDC_PROVIDERS = MAPPING, []
    together = threading.Barrier(6)

    def come(number: int) -> str:
        together.wait(30)
        try:
            user = admit(CORP, {"sub": "k-1", "preferred_username": "kim", "groups": "x"})
            return user.id if user else ""
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        found = set(threads.map(come, range(6)))
    assert found == {User.objects.get().id}
    assert (Identity.objects.count(), Membership.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"preferred_username": "Kim.Example"}, "kim.example"),
        ({"preferred_username": "kim@example.com"}, "kim"),
        ({"email": "kim.o@example.com"}, "kim.o"),
        ({"preferred_username": "Zoë Müller"}, "zoe-muller"),
        ({"preferred_username": "--"}, "person"),
        ({"preferred_username": "かな"}, "person"),
        ({"preferred_username": ["kim"], "email": 7}, "person"),
        ({}, "person"),
        ({"preferred_username": "x" * 80}, "x" * 56),
    ],
)
def test_username_is_the_providers_in_our_letters(db: None, claims: dict[str, object], expected: str) -> None:
    assert free_username(claims) == expected


def test_taken_username_gets_a_number(db: None) -> None:
    for expected in ("kim", "kim-2", "kim-3"):
        username = free_username({"preferred_username": "kim"})
        assert username == expected
        create_user(username, "Kim", actor=SYSTEM)


@given(st.text() | st.integers() | st.none() | st.lists(st.text()))
def test_any_claim_makes_a_username_and_a_name_that_can_be_kept(said: Any) -> None:
    claims = {"sub": "k-1", "preferred_username": said, "name": said}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(User.objects, "filter", lambda **_: User.objects.none())
        assert USERNAME.fullmatch(free_username(claims))
    name = printed_name(claims)
    assert name == name.strip()
    assert name.isprintable()
    assert 0 < len(name) <= 200


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Kim  Example ", "Kim Example"),
        ("Kim \u202eelpmaxE", "Kim elpmaxE"),
        ("Kim\u200b\n\x00Example", "Kim Example"),
        ("\u200b", "No name"),
    ],
)
def test_printed_name_hides_nothing(said: str, expected: str) -> None:
    assert printed_name({"sub": "k-1", "name": said}) == expected

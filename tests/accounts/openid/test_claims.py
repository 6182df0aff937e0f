"""What the claims of a provider give whoever comes in, each time anew."""

import pytest
from django.test import Client

from console.accounts.models import Team, User
from console.accounts.people import set_membership
from tests.accounts.conftest import SYSTEM
from tests.accounts.openid.conftest import is_in, kinds, memberships, sign_in
from tests.standins.authorization_server import AuthorizationServer


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["payments-admins", "payments-approvers"], {"billing": (["admin", "reviewer"], ["finance"])}),
        (["payments-admins"], {"billing": (["admin"], [])}),
        (["lawyers"], {"legal": (["reviewer"], [])}),
        ("lawyers", {"legal": (["reviewer"], [])}),
    ],
)
def test_memberships_become_what_the_claims_say_now(
    kim: User, other_team: Team, browser: Client, corp: AuthorizationServer, groups: object, expected: object
) -> None:
    corp.describe("k-1", groups=groups)
    sign_in(browser, corp, "k-1")
    assert memberships(kim) == expected
    assert is_in(browser)


def test_who_lost_every_team_is_told_and_signed_out(kim: User, browser: Client, corp: AuthorizationServer) -> None:
    corp.describe("k-1", groups=[])
    answer = sign_in(browser, corp, "k-1")
    assert (answer.status_code, memberships(kim), is_in(browser)) == (403, {}, False)
    assert b"You are in no team any more" in answer.content
    assert kinds(kim)[-3:] == ["accounts:membership:removed", "accounts:session:closed", "accounts:session:refused"]


def test_membership_set_by_hand_is_left_alone(
    kim: User, team: Team, browser: Client, corp: AuthorizationServer
) -> None:
    set_membership(kim, team, roles=["auditor"], actor=SYSTEM)
    for groups in (["payments-admins"], []):
        corp.describe("k-1", groups=groups)
        sign_in(browser, corp, "k-1")
        assert (memberships(kim), is_in(browser)) == ({"billing": (["auditor"], [])}, True)


LOOKALIKES = ["Payments-Admins", "payments-admins ", "раyments-admins", "payments‐admins", "payments-admins\u200b",
              "payments", ["payments-admins"], {"payments-admins": True}, True, None]  # fmt: skip


@pytest.mark.parametrize("value", LOOKALIKES)
def test_value_that_only_looks_alike_gives_nothing(
    kim: User, browser: Client, corp: AuthorizationServer, value: object
) -> None:
    corp.describe("k-1", groups=["payments-approvers", value])
    sign_in(browser, corp, "k-1")
    assert memberships(kim) == {"billing": (["reviewer"], ["finance"])}

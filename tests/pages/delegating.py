"""People who name one another to sign in their place."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from approvals.access import visible_reviews, waiting_for
from approvals.delegations import Wanted, give_delegation
from approvals.models import Delegation, Review
from approvals.policies.slots import SlotSpec, Way
from approvals.signoff import ByPassword, signoff
from audit.move import begin
from console.accounts.models import Team, User
from console.accounts.people import create_user, set_membership
from console.core.actor import Actor
from console.core.attest import attest
from console.core.clock import now
from examples.demo.people import acting
from tests.pages.conftest import DOOR, PASSWORD

ONE = SlotSpec((Way("finance"),), signature="password")
TWO = SlotSpec((Way("finance", 2),), signature="password")
LAW = SlotSpec((Way("legal"),), signature="password")
DAY = dt.timedelta(days=1)
# Ada and Cy sign for finance. Bo signs for nobody by himself, Dora for legal.
STAFF = {"ada": ["finance"], "bo": [], "cy": ["finance"], "dora": ["legal"]}


@pytest.fixture
def staff(office: Team) -> None:
    for name, groups in STAFF.items():
        user = create_user(name, name.capitalize(), actor=DOOR)
        user.set_password(PASSWORD)
        user.save(update_fields=["password", "password_attestation"])
        set_membership(user, office, roles=["reviewer"], groups=groups, actor=DOOR)


def user(name: str) -> User:
    return User.objects.get(username=name)


def proven(name: str) -> Actor:
    return replace(acting(name), stepped_up_at=now())


def wanted(to: str = "bo", **given: Any) -> Wanted:
    return replace(Wanted(user(to).pk, now() - dt.timedelta(minutes=1), now() + DAY), **given)


def give(who: str = "ada", to: str = "bo", **given: Any) -> Delegation:
    return give_delegation(wanted(to, **given), actor=proven(who))


def insert(**fields: Any) -> Delegation:
    """A row as the act would not make it."""
    row = Delegation(team=Team.objects.get(slug="billing"), delegator=user("ada"), delegate=user("bo"),
                     **{"begins_at": now() - DAY, "ends_at": now() + DAY, **fields})  # fmt: skip
    row.attestation = row.attestation or attest("delegation", row.attested())
    begin(row, actor=DOOR)
    return row


def approve(review: Review, who: str) -> str:
    return signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting(who)).state


def waits(review: Review, who: str) -> bool:
    return waiting_for(acting(who)).filter(pk=review.pk).exists()


def sees(review: Review, who: str) -> bool:
    return visible_reviews(acting(who)).filter(pk=review.pk).exists()


def role(name: str, *roles: str, groups: tuple[str, ...] = ()) -> None:
    set_membership(user(name), Team.objects.get(slug="billing"), roles=roles, groups=groups, actor=DOOR)

"""An admin grants operations, and takes grants and credentials back; what rested on them is void."""

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from approvals.propose import Proposal, propose
from audit.models import Record
from console.accounts.models import Team
from console.agents.models import Agent
from console.agents.register import retire_agent
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict, Forbidden
from examples.demo.people import acting
from integrations.describe import give_grant, revoke_credential, revoke_grant
from integrations.models import Credential, Grant
from tests.factories import a_grantee
from tests.pages.conftest import Enter

GRANTEE = "agent:helper"


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    a_grantee(GRANTEE, acting("mira"))
    return enter("mira")


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def give(mira: Client, **other: str) -> Any:
    given = {"grantee": GRANTEE, "operations": "get_charge\r\nlist_charges, get_charge", "days": "30",
             "credential": Credential.objects.get().pk} | other  # fmt: skip
    return mira.post("/integrations/stripe/grant/", given)


def asked() -> str:
    team = Team.objects.get().id
    action = propose(Proposal(team, "stripe.get_charge", {"charge": "ch_1"}, GRANTEE, []), actor=system("web"))
    return action.state if action.state != "refused" else str((action.outcome or {})["code"])


def test_what_is_granted_may_be_asked_for_until_it_is_taken_back(mira: Client) -> None:
    assert asked() == "not_granted"
    assert give(mira)["Location"] == "/integrations/stripe/"
    grant = Grant.objects.get(grantee=GRANTEE)
    assert grant.operations == ["get_charge", "list_charges"]
    assert grant.until is not None
    assert (grant.until - now()).days == 29
    assert asked() == "proposed"
    mira.post(f"/integrations/grants/{grant.pk}/revoke/")
    assert asked() == "not_granted"
    assert mira.post(f"/integrations/grants/{grant.pk}/revoke/").status_code == 409
    kinds = Record.objects.filter(subject=grant.pk).order_by("at").values_list("kind", flat=True)
    assert list(kinds) == ["integrations:grant:given", "integrations:grant:revoked"]


def test_a_revoked_credential_is_used_by_nobody(mira: Client) -> None:
    give(mira)
    credential = Credential.objects.get()
    page = text(mira.get("/integrations/stripe/"))
    assert f'aria-label="Revoke {credential.name}"' in page
    mira.post(f"/integrations/credentials/{credential.pk}/revoke/")
    assert asked() == "not_granted"
    assert "revoked" in text(mira.get("/integrations/stripe/"))
    assert "There is no credential" in text(mira.get("/integrations/stripe/grant/"))
    with pytest.raises(Conflict):
        give_grant(grantee=GRANTEE, operations=["get_charge"], credential=Credential.objects.get(),
                   actor=acting("mira"))  # fmt: skip


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"grantee": "helper"}, "workflow:name, agent:name or people"),
        ({"grantee": " agent:helper\n"}, ""),
        ({"grantee": "an agent:helper"}, "workflow:name, agent:name or people"),
        ({"grantee": "agent:nobody"}, "no agent &#x27;nobody&#x27;"),
        ({"grantee": "workflow:nobody"}, "no workflow &#x27;nobody&#x27;"),
        ({"operations": " "}, "which operations"),
        ({"operations": "get_charge get_moon"}, "no operation &#x27;get_moon&#x27;"),
        ({"operations": " ".join(f"o{n}" for n in range(501))}, "at most 500"),
        ({"credential": "crd_nobody"}, "one of the credentials"),
        ({"days": "8"}, "the credential"),
    ],
)
def test_what_is_wrong_is_said(mira: Client, other: dict[str, str], says: str) -> None:
    before = Grant.objects.count()
    answer = give(mira, **other)
    if says:
        assert (answer.status_code, says in text(answer)) == (422, True)
        assert Grant.objects.count() == before
    else:
        assert Grant.objects.get(grantee=GRANTEE)  # what surrounds a name is taken off


def test_a_link_may_say_for_whom(mira: Client) -> None:
    assert 'value="agent:helper"' in text(mira.get("/integrations/stripe/grant/?grantee=agent:helper"))


@pytest.mark.parametrize("who", ["ana", "theo", "jonas"])
def test_only_admins_give_and_take_back(office: Team, who: str) -> None:
    grant = Grant.objects.all()[0]
    with pytest.raises(Forbidden):
        revoke_grant(grant, actor=acting(who))
    with pytest.raises(Forbidden):
        revoke_credential(grant.credential, actor=acting(who))


def test_a_revocation_is_final_in_the_database_too(office: Team) -> None:
    grant = Grant.objects.all()[0]
    revoke_grant(grant, actor=acting("mira"))
    revoke_credential(grant.credential, actor=acting("mira"))
    for row in (Grant, Credential):
        with pytest.raises(DatabaseError, match="a revocation is final"), transaction.atomic():
            row.objects.filter(revoked_at__isnull=False).update(revoked_at=None)


LIMITS = "arguments:\r\n  charge: {pattern: 'ch_[0-9]'}\r\ncalls: {at_most: 2, hours: 24}"


def asked_for(charge: str) -> str:
    proposal = Proposal(Team.objects.get().id, "stripe.get_charge", {"charge": charge}, GRANTEE, [])
    action = propose(proposal, actor=system("web"))
    return action.state if action.state != "refused" else str((action.outcome or {})["text"])


def test_a_grant_with_limits_allows_only_what_lies_within(mira: Client) -> None:
    give(mira, limits=LIMITS)
    page = text(mira.get("/integrations/stripe/"))
    assert "only with <b><bdi>charge like ch_[0-9]</bdi></b> and <b><bdi>at most 2 times in 24 hours</bdi></b>," in page
    assert asked_for("ch_x") == "The grant allows charge only like ch_[0-9]."
    assert [asked_for("ch_1"), asked_for("ch_2")] == ["proposed", "proposed"]
    assert asked_for("ch_3") == "The grant allows this at most 2 times in 24 hours."


def test_a_wider_grant_beside_it_counts(mira: Client) -> None:
    give(mira, limits=LIMITS)
    give(mira, operations="get_charge")
    assert asked_for("ch_x") == "proposed"


def test_a_retired_agent_is_granted_nothing_more(mira: Client) -> None:
    retire_agent(Agent.objects.get(slug="helper"), actor=acting("mira"))
    assert "no agent &#x27;helper&#x27;" in text(give(mira))


SUMS = "sums:\n- {argument: limit, at_most: 150, hours: 24}"


def listed(limit: int, *, charge: bool = False) -> str:
    operation, arguments = ("get_charge", {"charge": "ch_1"}) if charge else ("list_charges", {"limit": limit})
    proposal = Proposal(Team.objects.get().id, f"stripe.{operation}", arguments, GRANTEE, [])
    action = propose(proposal, actor=system("web"))
    return action.state if action.state != "refused" else str((action.outcome or {})["code"])


def test_a_sum_is_told_and_kept(mira: Client) -> None:
    give(mira, limits=SUMS)
    assert "<b><bdi>limit at most 150 in all in 24 hours</bdi></b>," in text(mira.get("/integrations/stripe/"))
    assert [listed(100), listed(51), listed(50), listed(1), listed(0, charge=True)] == [
        "proposed", "beyond_grant", "proposed", "beyond_grant", "proposed"]  # fmt: skip


def test_trying_tells_what_would_have_been_and_gives_nothing(mira: Client) -> None:
    assert [listed(limit) for limit in (100, 60, 40)] == ["not_granted"] * 3
    listed(0, charge=True)
    before = Grant.objects.count()
    page = text(give(mira, operations="list_charges", limits=SUMS, **{"try": "1"}))
    assert "<b>2</b> of 4 actions of" in page
    assert "would fit, <b>2</b> would be refused, by this grant alone." in page
    assert "The grant allows limit at most 150 in all in 24 hours." in page
    assert "The grant does not name this operation." in page
    assert "at_most: 150" in page  # what was typed is still there
    assert Grant.objects.count() == before
    assert "has asked for nothing" in text(give(mira, grantee="workflow:cancel-subscription", **{"try": "1"}))
    assert give(mira, limits="arguments: [", **{"try": "1"}).status_code == 422


def long_ago() -> Grant:
    Grant.objects.filter(grantee=GRANTEE).update(created_at=now() - dt.timedelta(days=31))
    return Grant.objects.get(grantee=GRANTEE)


def test_what_nobody_uses_is_told_and_taken_out_by_one_button(mira: Client) -> None:
    give(mira, limits=f"arguments:\n  charge: {{equals: ch_1}}\n{SUMS}")
    listed(0, charge=True)
    assert "Not used in 30 days" not in text(mira.get("/integrations/stripe/"))
    wide = long_ago()
    page = text(mira.get("/integrations/stripe/"))
    assert "<b>Not used in 30 days:</b> <code>list_charges</code>." in page
    assert f'href="/integrations/stripe/grant/?narrow={wide.pk}"' in page
    form = text(mira.get(f"/integrations/stripe/grant/?narrow={wide.pk}"))
    assert "get_charge</textarea>" in form
    assert "equals: ch_1" in form
    assert "sums" not in form.partition('wrap="off"')[2].partition("</textarea>")[0].partition(">")[2]
    give(mira, operations="get_charge", days="365", replaces=wide.pk)
    wide.refresh_from_db()
    narrow = Grant.objects.get(grantee=GRANTEE, revoked_at=None)
    assert (wide.revoked_at is None, narrow.operations, narrow.until) == (False, ["get_charge"], wide.until)


def test_a_grant_of_which_nothing_is_used_says_so(mira: Client) -> None:
    give(mira)
    long_ago()
    page = text(mira.get("/integrations/stripe/"))
    assert "<b>Not used in 30 days:</b> all of it." in page
    assert "?narrow=" not in page


def test_only_a_grant_of_the_same_grantee_is_replaced(mira: Client) -> None:
    theirs = Grant.objects.exclude(grantee=GRANTEE)[0]
    assert give(mira, replaces=theirs.pk).status_code == 422
    assert give(mira, replaces="grt_nobody").status_code == 404
    theirs.refresh_from_db()
    assert (theirs.revoked_at, Grant.objects.filter(grantee=GRANTEE).count()) == (None, 0)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ("arguments: {moon: {equals: 1}}", "has an argument &#x27;moon&#x27;"),
        ("arguments: [", "line 1"),
        ("sums: [{argument: moon, at_most: 1, hours: 1}]", "has an argument &#x27;moon&#x27;"),
    ],
)
def test_limits_that_say_nothing_are_refused(mira: Client, limits: str, says: str) -> None:
    answer = give(mira, limits=limits)
    assert (answer.status_code, says in text(answer)) == (422, True)
    assert limits[:9] in text(answer)


SECRETS = {"part-token": "sk_planted_secret_0123456789"}


def seal(mira: Client, **other: str) -> Any:
    return mira.post("/integrations/stripe/credential/", {"name": "second key", **SECRETS} | other)


def test_a_secret_is_sealed_and_nowhere_else(mira: Client) -> None:
    assert 'type="password"' in text(mira.get("/integrations/stripe/credential/"))
    sealed = seal(mira)
    credential = Credential.objects.get(name="second key")
    assert sealed["Location"] == f"/integrations/credentials/{credential.pk}/"
    assert SECRETS["part-token"].encode() not in bytes(credential.sealed)
    assert "second key" in text(mira.get("/integrations/stripe/"))
    leaves = b"".join(bytes(record.leaf) for record in Record.objects.all())
    assert SECRETS["part-token"].encode() not in leaves


@pytest.mark.parametrize(
    ("other", "status", "says"),
    [
        ({"name": "billing key"}, 409, "has, or had, a credential of this name"),
        ({"name": ""}, 422, "a name of at most 100"),
        ({"name": "n" * 101}, 422, "a name of at most 100"),
        ({"part-token": ""}, 422, "token: is missing"),
        ({"part-token": "two\r\nlines"}, 422, "token: must be printable"),
    ],
)
def test_a_secret_that_was_refused_is_not_shown_again(
    mira: Client, other: dict[str, str], status: int, says: str
) -> None:
    answer = seal(mira, **other)
    assert (answer.status_code, says in text(answer)) == (status, True)
    assert SECRETS["part-token"] not in answer.content.decode()
    assert Credential.objects.count() == 1

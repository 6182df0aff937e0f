"""What claims give, and settings that say something else than they mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.accounts.mapping import Given, Rule, memberships_by, parse_mapping
from console.accounts.providers import check_settings
from console.core.errors import Invalid

RULES = parse_mapping(
    """
- {claim: groups, value: approvers, team: billing, roles: [reviewer], groups: [finance]}
- {claim: groups, value: admins, team: billing, roles: [admin]}
- {claim: department, value: Legal, team: legal, roles: [auditor], provider: corp}
"""
)


def test_mapping_is_read_as_it_is_written() -> None:
    assert (
        Rule("groups", "approvers", "billing", frozenset({"reviewer"}), frozenset({"finance"})),
        Rule("groups", "admins", "billing", frozenset({"admin"})),
        Rule("department", "Legal", "legal", frozenset({"auditor"}), provider="corp"),
    ) == RULES
    assert parse_mapping(" \n") == ()


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, {}),
        ({"groups": ["approvers"]}, {"billing": Given(frozenset({"reviewer"}), frozenset({"finance"}))}),
        (
            {"groups": ["admins", "approvers"]},
            {"billing": Given(frozenset({"admin", "reviewer"}), frozenset({"finance"}))},
        ),
        ({"department": "Legal", "groups": "Legal"}, {"legal": Given(frozenset({"auditor"}))}),
        ({"groups": {"approvers": True}, "department": ["legal", ["Legal"]]}, {}),
    ],
)
def test_claims_give_what_the_rules_say_together(claims: dict[str, object], expected: dict[str, Given]) -> None:
    assert memberships_by(RULES, claims) == expected


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["approvers", "admins", "Legal"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(["groups", "department", "Groups"]), anything))
def test_nothing_is_given_but_for_a_value_that_is_there_letter_by_letter(claims: dict[str, Any]) -> None:
    def holds(rule: Rule) -> bool:
        said = claims.get(rule.claim)
        return said == rule.value or (isinstance(said, list) and rule.value in said)

    granted = memberships_by(RULES, claims)
    expected = {
        team: {role for rule in RULES if rule.team == team and holds(rule) for role in rule.roles}
        for team in {rule.team for rule in RULES if holds(rule)}
    }
    assert {team: set(one.roles) for team, one in granted.items()} == expected


WRONG = {
    "a role that there is not": "[{claim: g, value: v, team: t, roles: [chief]}]",
    "no team": "[{claim: g, value: v, roles: [admin]}]",
    "no value": "[{claim: g, value: '', team: t, roles: [admin]}]",
    "a value that is no text": "[{claim: g, value: true, team: t, roles: [admin]}]",
    "a word that is not known": "[{claim: g, value: v, team: t, role: [admin], roles: []}]",
    "an odd name for a group": "[{claim: g, value: v, team: t, roles: [], groups: [The Board]}]",
    "no list": "{claim: g, value: v, team: t, roles: [admin]}",
    "no YAML": "[",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_mapping_that_is_wrong_is_refused_whole(wrong: str) -> None:
    with pytest.raises(Invalid):
        parse_mapping(WRONG[wrong])


CORP = {"slug": "corp", "name": "Corp", "issuer": "https://id.example", "client_id": "c", "secret": "s",
        "scopes": "openid"}  # fmt: skip
PARTNER = {**CORP, "slug": "partner", "issuer": "https://partner.example"}
RULE = "{claim: g, value: v, team: t, roles: [admin]%s}"


@pytest.mark.parametrize(
    ("providers", "mapping"),
    [
        ([], ""),
        ([CORP], f"[{RULE % ''}]"),
        ([{**CORP, "issuer": "http://localhost:9"}], ""),
        ([CORP, PARTNER], f"[{RULE % ', provider: partner'}]"),
    ],
)
def test_settings_that_say_what_they_mean_start(settings: Any, providers: list[dict[str, str]], mapping: str) -> None:
    settings.OIDC_PROVIDERS, settings.OIDC_MAPPING = providers, mapping
    check_settings()


@pytest.mark.parametrize(
    ("providers", "mapping", "text"),
    [
        ([{**CORP, "issuer": "http://id.example"}], "", "https"),
        ([{**CORP, "issuer": "http://localhost.example"}], "", "https"),
        ([{**CORP, "slug": "Corp/x"}], "", "short name"),
        ([{**CORP, "scopes": "profile"}], "", "openid"),
        ([CORP, {**PARTNER, "issuer": CORP["issuer"]}], "", "same"),
        ([CORP, {**PARTNER, "slug": "corp"}], "", "same"),
        ([CORP, PARTNER], f"[{RULE % ''}]", "name its provider"),
        ([CORP], f"[{RULE % ', provider: partner'}]", "partner"),
    ],
)
def test_settings_that_mean_something_else_stop_the_start(
    settings: Any, providers: list[dict[str, str]], mapping: str, text: str
) -> None:
    settings.OIDC_PROVIDERS, settings.OIDC_MAPPING = providers, mapping
    with pytest.raises(Invalid, match=text):
        check_settings()

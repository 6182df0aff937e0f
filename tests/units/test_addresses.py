"""Which addresses are public, whatever the Python that runs says of them, and whatever is inside them."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.addresses import is_allowed, is_listed

V4 = st.integers(0, 2**32 - 1)
V6 = st.integers(0, 2**128 - 1)


@pytest.fixture(autouse=True)
def strict(settings: Any) -> None:
    settings.ALLOWED_NETWORKS = []


def inside(prefix: str, inner: int, shift: int = 0) -> str:
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | inner << shift))


@given(V4)
def test_an_address_inside_another_is_as_public_as_it_is_alone(inner: int) -> None:
    alone = is_allowed(str(ipaddress.IPv4Address(inner)))
    assert is_allowed(inside("::ffff:0:0", inner)) == alone
    assert is_allowed(inside("64:ff9b::", inner)) == alone
    assert is_allowed(inside("2002::", inner, 80)) == alone


@given(V6)
def test_of_ipv6_only_global_unicast_and_what_holds_a_public_address_is_public(number: int) -> None:
    ip = ipaddress.IPv6Address(number)
    known = ("2000::/3", "64:ff9b::/96", "::ffff:0:0/96")
    if not any(ip in ipaddress.ip_network(network) for network in known):
        assert not is_allowed(str(ip))


# RFC 6052 §2.2: where 10.0.0.1 is under prefixes of 48, 56, 64 and 96 bits within 64:ff9b:1::/48.
@pytest.mark.parametrize(
    "address",
    ["64:ff9b:1:a00:0:100:808:808", "64:ff9b:1:a:0:1:808:808", "64:ff9b:1:0:a:0:108:808", "64:ff9b:1::a00:1",
     "64:ff9b:1::8.8.8.8"],
)  # fmt: skip
def test_what_a_gateway_of_ones_own_would_translate_is_not_public(address: str, settings: Any) -> None:
    assert not is_allowed(address)
    settings.ALLOWED_NETWORKS = ["64:ff9b:1::/48"]
    assert is_allowed(address)


def test_what_is_listed_has_to_hold_for_the_outer_and_the_inner_address(settings: Any) -> None:
    outer = "64:ff9b::10.1.2.3"
    settings.ALLOWED_NETWORKS = ["64:ff9b::/96"]
    assert (is_allowed(outer), is_listed(outer)) == (False, False)
    settings.ALLOWED_NETWORKS = ["10.1.0.0/16"]
    assert (is_allowed(outer), is_listed(outer), is_listed("::ffff:10.1.2.3")) == (True, False, True)
    settings.ALLOWED_NETWORKS = ["10.1.0.0/16", "64:ff9b::/96"]
    assert (is_allowed(outer), is_listed(outer)) == (True, True)

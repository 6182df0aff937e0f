"""The OpenID Connect providers of this installation, from its settings alone."""

import functools
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from console.accounts.mapping import Rule, parse_mapping
from console.core.errors import Invalid, NotFound

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """`name` is what the button says; `scopes` are separated by spaces."""

    slug: str
    name: str
    issuer: str
    client_id: str
    secret: str
    scopes: str = "openid profile"


def is_safe(address: str) -> bool:
    """https, or this machine itself."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def providers() -> list[IdentityProvider]:
    return [IdentityProvider(**given) for given in settings.OIDC_PROVIDERS]


def find_provider(slug: str) -> IdentityProvider:
    found = next((one for one in providers() if one.slug == slug), None)
    if found is None:
        raise NotFound("There is no such way to sign in.")
    return found


def rules_of(provider: IdentityProvider) -> list[Rule]:
    """Those that name it, and those that name none, which are allowed while there is one provider."""
    return [rule for rule in mapping(settings.OIDC_MAPPING) if rule.provider in {"", provider.slug}]


mapping = functools.cache(parse_mapping)


def check_settings() -> None:
    """Raises Invalid, so that a process does not start with settings that mean something else than they say."""
    known = providers()
    for one in known:
        if not SLUG.fullmatch(one.slug):
            raise Invalid(f"{one.slug!r} is no short name for a provider: use letters a to z, digits, hyphens.")
        if not is_safe(one.issuer):
            raise Invalid(f"The issuer of the provider {one.slug} must begin with https://.")
        if "openid" not in one.scopes.split():
            raise Invalid(f"The scopes of the provider {one.slug} lack openid.")
    if len({one.issuer for one in known}) < len(known) or len({one.slug for one in known}) < len(known):
        raise Invalid("Two providers have the same short name or the same issuer.")
    check_mapping(mapping(settings.OIDC_MAPPING), {one.slug for one in known})


def check_mapping(rules: tuple[Rule, ...], known: set[str]) -> None:
    """Two providers may mean different people by one name for a group."""
    named = {rule.provider for rule in rules}
    if "" in named and len(known) > 1:
        raise Invalid("With several providers each rule of the mapping has to name its provider.")
    if unknown := sorted(named - known - {""}):
        raise Invalid(f"The mapping names the provider {unknown[0]}, which is not among the settings.")

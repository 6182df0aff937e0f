"""The ways to sign in at an external system, as a table: the parts of a credential, the settings that belong to the
integration, and what puts both into a request.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from console.core.errors import Invalid, Tampered
from integrations import injection
from integrations.credential_parts import (
    Part,
    address,
    anything_fits,
    certificate_fits,
    header_name,
    key_fits,
    key_id_fits,
    lines,
    one_of,
    seconds,
    template,
    user,
    word,
)
from integrations.injection import IN_SIGNED, IN_VALUE, Injected, Outgoing

# Stands before sealed parts. A secret that was sealed before there were parts is the text itself, and holds no newline.
_MARK = "\n"


@dataclass(frozen=True, slots=True)
class CredentialType:
    """`fits` tells what is wrong with parts and settings together, "" when nothing is. `grant` is that of OAuth 2.0 by
    which the door fetches a token first."""

    name: str
    title: str
    inject: Callable[[Outgoing], Injected]
    parts: tuple[Part, ...] = ()
    settings: tuple[Part, ...] = ()
    plain: str = ""  # the part that a secret is which was sealed before there were parts
    fits: Callable[[Mapping[str, str], Mapping[str, str]], str] = anything_fits
    grant: str = ""


_TOKEN_ADDRESS = Part("token_url", "Token address", address, hint="Where the door gets tokens: https://…")
_SCOPE = Part("scope", "Scope", required=False, hint="What to ask for, with spaces between.")
_CLIENT_AUTH = Part("client_auth", "Client signs in by", one_of("basic", "body"), default="basic",
                    hint="basic: user and password; body: its secret in the form.")  # fmt: skip
_REVOKE_ADDRESS = Part("revoke_url", "Revocation address", address, required=False,
                       hint="Where tokens are ended when a credential is revoked: https://…")  # fmt: skip
_KEY = Part("key", "Key", secret=True)
TYPES: Mapping[str, CredentialType] = {one.name: one for one in (
    CredentialType("bearer", "Bearer token", injection.bearer, (Part("token", "Token", secret=True),), plain="token"),
    CredentialType(
        "basic", "User and password", injection.basic,
        (Part("user", "User", user), Part("password", "Password", secret=True, required=False)), plain="user",
    ),
    CredentialType(
        "header", "Key in a header", injection.header, (_KEY,),
        (Part("header", "Header", header_name, hint="Its name, such as X-Api-Key."),
         Part("prefix", "Word before the key", required=False, hint="Such as Token; empty for none.")),
    ),
    CredentialType(
        "query", "Key in the query", injection.query, (_KEY,),
        (Part("parameter", "Parameter", hint="Its name. Others log addresses: prefer a header where there is one."),),
    ),
    CredentialType(
        "sigv4", "AWS Signature Version 4", injection.sigv4,
        (Part("access_key_id", "Access key ID"), Part("secret_access_key", "Secret access key", secret=True),
         Part("session_token", "Session token", secret=True, required=False)),
        (Part("region", "Region", word, hint="Such as us-east-1."),
         Part("service", "Service", word, hint="As it is signed for, such as iam.")),
    ),
    CredentialType(
        "hmac", "Signature with a shared secret (HMAC)", injection.hmac_signature,
        (Part("secret", "Secret", secret=True), Part("key_id", "Key ID", required=False)),
        (Part("algorithm", "Algorithm", one_of("sha256", "sha512", "sha1"), default="sha256"),
         Part("signs", "What is signed", template(*IN_SIGNED, newlines=True), default="{body}",
              hint="Of {method}, {host}, {path}, {query}, {target}, {body}, {body_sha256}, {timestamp}, {key_id}."),
         Part("encoding", "Encoding", one_of("hex", "base64"), default="hex"),
         Part("header", "Header of the signature", header_name, hint="Its name, such as X-Signature."),
         Part("value", "Its value", template(*IN_VALUE), default="{signature}", hint="Such as sha256={signature}."),
         Part("timestamp_header", "Header of the timestamp", header_name, required=False),
         Part("key_header", "Header of the key ID", header_name, required=False)),
        fits=key_id_fits,
    ),
    CredentialType(
        "jwt", "Signed assertion (JWT)", injection.jwt,
        (Part("private_key", "Private key", lines, secret=True), Part("key_id", "Key ID", required=False)),
        (Part("algorithm", "Algorithm", one_of("RS256", "ES256", "EdDSA", "HS256"), default="RS256"),
         Part("issuer", "Issuer"), Part("subject", "Subject", required=False),
         Part("audience", "Audience", required=False),
         Part("lifetime", "Lifetime in seconds", seconds(10, 3600), default="300")),
        fits=key_fits,
    ),
    CredentialType(
        "mtls", "Client certificate (mutual TLS)", injection.mtls,
        (Part("certificate", "Certificate, and those that lead to its authority", lines),
         Part("private_key", "Private key", lines, secret=True)),
        fits=certificate_fits,
    ),
    CredentialType(
        "oauth2_client", "OAuth 2.0, as the client itself", injection.access_token,
        (Part("client_id", "Client ID"), Part("client_secret", "Client secret", secret=True)),
        (_TOKEN_ADDRESS, _SCOPE, _CLIENT_AUTH, _REVOKE_ADDRESS), grant="client_credentials",
    ),
    CredentialType(
        "oauth2_code", "OAuth 2.0, by a person's consent", injection.access_token,
        (Part("client_secret", "Client secret", secret=True, required=False),),
        (Part("client_id", "Client ID"),
         Part("authorize_url", "Authorization address", address, hint="Where the person consents: https://…"),
         _TOKEN_ADDRESS, _SCOPE, _CLIENT_AUTH, _REVOKE_ADDRESS,
         Part("issuer", "Issuer", address, required=False, hint="As the server names itself, if it does.")),
        grant="authorization_code",
    ),
    CredentialType("none", "Nothing", injection.nothing),
)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opened:
    """A credential outside its seal: it exists only inside an outbound call."""

    kind: CredentialType
    settings: Mapping[str, str]
    parts: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<Opened {self.kind.name}>"

    @property
    def secrets(self) -> list[str]:
        return [self.parts[part.name] for part in self.kind.parts if part.secret and part.name in self.parts]


def known(name: str) -> CredentialType:
    """Raises Tampered: nobody could have stored another one."""
    if name not in TYPES:
        raise Tampered(f"There is no way to send a credential of type {name!r}.")
    return TYPES[name]


def check_settings(name: str, given: Mapping[str, object]) -> dict[str, str]:
    """Those of an integration that signs in this way. Raises Invalid with the place."""
    if name not in TYPES:
        raise Invalid(f"{name!r:.40} is no type of credential.")
    checked = check_parts(TYPES[name].settings, given, "credential.")
    named = [part.name for part in TYPES[name].settings if part.check is header_name]
    headers = [checked[one].lower() for one in named if one in checked]
    if len(set(headers)) < len(headers):
        raise Invalid("credential: two settings name one header")
    return checked


def in_words(name: str, settings: Mapping[str, str]) -> str:
    """For people. A type that nobody knows was put there by SQL, and is told as it is."""
    if name not in TYPES:
        return name
    told = [f"{part.title.lower()} {settings[part.name]}" for part in TYPES[name].settings if part.name in settings]
    return ", ".join([TYPES[name].title, *told])


def pack(name: str, settings: Mapping[str, str], secret: str | Mapping[str, str]) -> str:
    """The parts as they are sealed. A text is the only part of its type. Raises Invalid, which quotes no value."""
    kind = known(name)
    if isinstance(secret, str):
        if len(kind.parts) > 1:
            raise Invalid(f"A credential of type {name} has the parts {_listed(kind.parts)}.")
        secret = {part.name: secret for part in kind.parts}
    parts = check_parts(kind.parts, secret, "")
    if wrong := kind.fits(settings, parts):
        raise Invalid(wrong)
    return _MARK + json.dumps(parts)


def unpack(name: str, settings: Mapping[str, str], sealed: str) -> Opened:
    """Raises Invalid for what was sealed for another way to sign in."""
    kind = known(name)
    before = {kind.plain: sealed} if kind.plain else {}
    parts = json.loads(sealed) if sealed.startswith(_MARK) else before
    names = {part.name for part in kind.parts}
    needed = {part.name for part in kind.parts if part.required}
    if not needed <= parts.keys() <= names or kind.fits(settings, parts):
        raise Invalid("The credential was sealed for another way to sign in. Seal it anew.")
    return Opened(kind, settings, parts)


def check_parts(parts: Sequence[Part], given: Mapping[str, object], where: str) -> dict[str, str]:
    if unknown := given.keys() - {part.name for part in parts}:
        raise Invalid(f"{where}{min(unknown):.80}: is not of this type, which has {_listed(parts)}")
    checked = {}
    for part in parts:
        value = given.get(part.name, "")
        value = part.default if value == "" else value
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise Invalid(f"{where}{part.name}: must be text")
        if value and (wrong := part.check(value)):
            raise Invalid(f"{where}{part.name}: {wrong}")
        if part.required and not value:
            raise Invalid(f"{where}{part.name}: is missing")
        if value:
            checked[part.name] = value
    return checked


def _listed(parts: Sequence[Part]) -> str:
    return ", ".join(part.name for part in parts) or "none"

"""What a way to sign in has to know is checked when it is said, and comes out of the seal as it went in."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from console.core.errors import Invalid, Tampered
from integrations.credential_types import TYPES, check_settings, in_words, pack, unpack
from integrations.description import Description, parse
from integrations.outbound import NotSent, send
from integrations.render import render
from tests.units.signing_in import CREDENTIALS, KEY, Peer, peer

__all__ = ["peer"]


WRONG_SETTINGS: dict[str, tuple[str, dict[str, object], str]] = {
    "an unknown one": ("bearer", {"header": "X"}, r"^credential.header: is not of this type, which has none$"),
    "a missing one": ("header", {}, r"^credential.header: is missing$"),
    "a header of the console's own": ("header", {"header": "Host"}, r"^credential.header: must be the name"),
    "a header of the trace": ("header", {"header": "Traceparent"}, r"^credential.header: must be the name"),
    "two lines": ("header", {"header": "X-A\r\nX-B"}, r"^credential.header: must be the name"),
    "a prefix of two lines": ("header", {"header": "X", "prefix": "a\r\nb"}, r"^credential.prefix: must be printable"),
    "a region that is none": ("sigv4", {"region": "us east", "service": "iam"}, r"^credential.region: must be of a-z"),
    "a scope within a region": ("sigv4", {"region": "a/b", "service": "iam"}, r"^credential.region: must be of a-z"),
    "no text": ("query", {"parameter": ["a"]}, r"^credential.parameter: must be text$"),
    "a place that is none": (
        "hmac",
        {"header": "X-S", "signs": "{body}{secret}"},
        r"signs: has no \{secret\}",
    ),
    "a value of two lines": ("hmac", {"header": "X-S", "value": "a\n{signature}"}, r"^credential.value: must be print"),
    "a weak algorithm": (
        "hmac",
        {"header": "X-S", "algorithm": "md5"},
        "algorithm: must be one of sha256",
    ),
    "one header for two": (
        "hmac",
        {"header": "X-S", "key_header": "x-s"},
        "two settings name one header$",
    ),
    "no algorithm at all": (
        "jwt",
        {"issuer": "i", "algorithm": "none"},
        "algorithm: must be one of RS256",
    ),
    "a lifetime of a day": (
        "jwt",
        {"issuer": "i", "lifetime": 86400},
        "lifetime: must be a number of sec",
    ),
    "no lifetime": (
        "jwt",
        {"issuer": "i", "lifetime": 0},
        "lifetime: must be a number of seconds from 10",
    ),
    "a type that is none": ("magic", {}, r"^'magic' is no type of credential"),
}


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_wrong_settings_are_refused_with_their_place(name: str) -> None:
    kind, settings, says = WRONG_SETTINGS[name]
    with pytest.raises(Invalid, match=says):
        check_settings(kind, settings)


WRONG_PARTS: dict[str, tuple[str, Any, str]] = {
    "an unknown one": ("bearer", {"token": KEY, "user": "u"}, "^user: is not of this type, which has token$"),
    "a missing one": ("sigv4", {"access_key_id": "AKID"}, "^secret_access_key: is missing$"),
    "an empty text": ("bearer", "", "^token: is missing$"),
    "a text for two parts": ("basic", KEY, "^A credential of type basic has the parts user, password.$"),
    "a user with a colon": ("basic", {"user": "a:b", "password": KEY}, "^user: must be without a colon$"),
    "two lines": ("bearer", f"{KEY}\r\nX-Evil: 1", "^token: must be printable"),
    "two lines in a query": ("query", f"{KEY}\n", "^key: must be printable"),
    "two lines in a password": ("basic", {"user": "u", "password": f"{KEY}\n{KEY}"}, "^password: must be printable"),
    "too much": ("bearer", "x" * 8_001, "^token: must be printable"),
    "a key ID that is asked for": ("hmac", {"secret": KEY}, "^key_id: is missing$"),
    "no text": ("bearer", {"token": None}, "^token: must be text$"),
}


WRITTEN = check_settings("hmac", {"header": "X-S", "key_header": "X-K"})


@pytest.mark.parametrize("name", WRONG_PARTS)
def test_wrong_parts_are_refused_without_being_quoted(name: str) -> None:
    kind, secret, says = WRONG_PARTS[name]
    with pytest.raises(Invalid, match=says) as refusal:
        pack(kind, WRITTEN if kind == "hmac" else {}, secret)
    assert "7Qz9Xv3" not in str(refusal.value)


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_parts_come_out_of_the_seal_as_they_went_in(kind: str) -> None:
    parts, given_ = CREDENTIALS[kind]
    settings = check_settings(kind, given_)
    opened = unpack(kind, settings, pack(kind, settings, parts))
    assert (opened.kind, opened.parts) == (TYPES[kind], parts)
    assert KEY not in repr(opened)


@pytest.mark.parametrize(("kind", "parts"), [("bearer", {"token": "{}"}), ("basic", {"user": "{}"}), ("none", {})])
def test_a_secret_that_was_sealed_as_plain_text_still_works(kind: str, parts: dict[str, str]) -> None:
    """As every secret was before there were parts; of basic it was the user."""
    assert unpack(kind, {}, "{}").parts == parts


def test_a_plain_secret_goes_out_as_before(peer: Peer) -> None:
    rendered = render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=peer.url, key="k")
    for kind, wanted in {
        "bearer": f"Bearer {KEY}",
        "basic": f"Basic {base64.b64encode(f'{KEY}:'.encode()).decode()}",
    }.items():
        send(rendered, expected=rendered.digest, secret=KEY, credential_type=kind)
        assert peer.seen[-1].headers["Authorization"] == wanted


@pytest.mark.parametrize("now", ["header", "query", "sigv4", "basic", "none"])
def test_a_secret_is_sent_in_no_other_way_than_it_was_sealed_for(peer: Peer, now: str) -> None:
    """An admin may describe the integration anew, with another way to sign in."""
    rendered = render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=peer.url, key="k")
    with pytest.raises(NotSent, match="Seal it anew"):
        send(
            rendered,
            expected=rendered.digest,
            secret=pack("bearer", {}, KEY),
            credential_type=now,
            settings={"header": "X-K"},
        )
    assert peer.seen == []


def test_a_type_that_nobody_could_have_stored_is_tampering(peer: Peer) -> None:
    rendered = render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=peer.url, key="k")
    with pytest.raises(Tampered, match="'magic'"):
        send(rendered, expected=rendered.digest, secret=KEY, credential_type="magic")


def described(credential: str) -> Callable[[], tuple[Mapping[str, Any], Any]]:
    operations = "operations: {look: {title: L, effect: read, method: GET, path: /l}}"
    return lambda: parse(f"integration: crm\ntitle: CRM\ncredential: {credential}\n{operations}\n")


def test_a_description_holds_the_settings_of_its_type() -> None:
    head, _ = described("{type: sigv4, region: us-east-1, service: iam}")()
    assert (head["credential_type"], head["credential_settings"]) == (
        "sigv4", {"region": "us-east-1", "service": "iam"},
    )  # fmt: skip
    assert described("{type: bearer}")()[0]["credential_settings"] == {}
    for wrong, says in {
        "{type: header}": "^credential.header: is missing$",
        "{type: bearer, region: us-east-1}": "^credential.region: is not of this type",
        "{type: header, header: [a]}": r"^credential.header \(line 3\)",
    }.items():
        with pytest.raises(Invalid, match=says):
            described(wrong)()


def test_a_way_to_sign_in_is_told_in_words() -> None:
    told = in_words("sigv4", {"service": "iam", "region": "us-east-1"})
    assert told == "AWS Signature Version 4, region us-east-1, service iam"
    assert (in_words("none", {}), in_words("magic", {})) == ("Nothing", "magic")

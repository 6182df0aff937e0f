"""Which deliveries are genuine: by what vendors and the Standard Webhooks have published, with our overlays.

Where somebody publishes no example, the signature was made with OpenSSL.
"""

import base64
import datetime as dt
import hashlib
import hmac
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Invalid
from console.core.pointers import Missing, point
from integrations.overlay import read_overlay
from integrations.webhooks.reading import read_body, say
from integrations.webhooks.schemes import SCHEMES, check_secret, check_settings, headers_needed
from integrations.webhooks.signatures import Heard, Refused

OVERLAYS = Path(__file__).parents[2] / "examples/overlays"
SECOND = dt.timedelta(seconds=1)


class Sent(NamedTuple):
    overlay: str
    secret: str
    headers: dict[str, str]
    body: bytes
    at: int
    name: str
    type: str


PUBLISHED = {
    "standard-webhooks": Sent(
        "standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
         "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        b'{"test": 2432232314}', 1614265330, "msg_p5jXN8AQM9LWM0D4loKWxJek", "",
    ),
    "of a commit": Sent(
        "github", "It's a Secret to Everybody",
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
         "x-github-event": "push", "x-github-delivery": "72d3162e"},
        b"Hello, World!", 1760000000, "72d3162e", "push",
    ),
    "of a chat": Sent(
        "slack", "8f742231b10e8888abcd99yyyzzz85a5",
        {"x-slack-request-timestamp": "1531420618",
         "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c", 1531420618, "", "",
    ),
    "of a payment, by OpenSSL": Sent(
        "stripe", "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
        {"stripe-signature": "t=1760000000,v1=04a5a5226e61cee0dd66cae0a0643130a254cdde5040b2b892db183082d10fb6,"
                             "v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"},
        b'{"id":"evt_1","type":"invoice.paid"}', 1760000000, "evt_1", "invoice.paid",
    ),
    "of an alert, by OpenSSL": Sent(
        "pagerduty", "pd-shared-secret-0123456789",
        {"x-pagerduty-signature": "v1=00,v1=e0bda693da0511686797f0af4cb3968b587eb4f3959da007c287f885323757f2"},
        b'{"event":{"id":"01A","event_type":"incident.triggered"}}', 1760000000, "01A", "incident.triggered",
    ),
    "a token": Sent(
        "gitlab", "a token that somebody chose",
        {"x-gitlab-token": "a token that somebody chose", "x-gitlab-event": "Push Hook", "idempotency-key": "f5e5"},
        b"{}", 1760000000, "f5e5", "Push Hook",
    ),
}  # fmt: skip
every = pytest.mark.parametrize("sent", PUBLISHED.values(), ids=PUBLISHED)
TIMED = [one for one in PUBLISHED.values() if one.overlay in ("standard-webhooks", "slack", "stripe")]


def settings_of(overlay: str) -> tuple[str, dict[str, str]]:
    told = read_overlay((OVERLAYS / f"{overlay}.yaml").read_text()).webhooks
    assert told
    return told[0], dict(told[1])


def check(sent: Sent, *secrets: str, after: float = 0, body: bytes | None = None, **headers: str) -> None:
    scheme, settings = settings_of(sent.overlay)
    at = dt.datetime.fromtimestamp(sent.at, dt.UTC) + after * SECOND
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    heard = Heard(sent.headers | changed, sent.body if body is None else body, at)
    SCHEMES[scheme].check(heard, settings, list(secrets or [sent.secret]))


def refused(sent: Sent, *secrets: str, after: float = 0, body: bytes | None = None, **headers: str) -> str:
    with pytest.raises(Refused) as why:
        check(sent, *secrets, after=after, body=body, **headers)
    return str(why.value)


@every
def test_what_was_published_is_genuine_and_says_what_it_says(sent: Sent) -> None:
    check(sent)
    check(sent, "another secret altogether" if sent.overlay != "standard-webhooks" else "whsec_AAAA", sent.secret)
    scheme, settings = settings_of(sent.overlay)
    assert headers_needed(settings) <= sent.headers.keys()
    said = say(Heard(sent.headers, sent.body, dt.datetime.now(dt.UTC)), scheme, settings)
    assert (said.name, said.type) == (sent.name, sent.type)


@every
def test_another_body_or_secret_is_not(sent: Sent) -> None:
    wrong = "whsec_AAAAAAAAAAAAAAAA" if sent.overlay == "standard-webhooks" else "another secret altogether"
    code = "wrong_token" if sent.overlay == "gitlab" else "wrong_signature"
    assert refused(sent, wrong) == code
    if sent.overlay != "gitlab":
        assert refused(sent, body=sent.body + b" ") == code


@every
def test_without_its_header_it_is_unsigned(sent: Sent) -> None:
    scheme, settings = settings_of(sent.overlay)
    header = settings["header"].lower()
    for nothing in ("", "v9=00", "sha1=00", "v1=zz", ","):
        told = refused(sent._replace(headers=sent.headers | {header: nothing}))
        assert told == ("wrong_token" if scheme == "token" and nothing else "unsigned")


@pytest.mark.parametrize("sent", TIMED, ids=lambda sent: sent.overlay)
def test_five_minutes_are_good_and_no_second_more(sent: Sent) -> None:
    """Against the moment at which it arrived."""
    for after in (-300, 300):
        check(sent, after=after)
    assert (refused(sent, after=300.001), refused(sent, after=-300.001)) == ("old_timestamp", "future_timestamp")
    assert refused(sent, "another secret x" if sent.overlay != "standard-webhooks" else "whsec_AAAA", after=999) == (
        "wrong_signature"
    )


@pytest.mark.parametrize("given", ["", "yesterday", "-1", "1.5", "１６１４２６５３３０"])
def test_a_timestamp_is_seconds_and_there(given: str) -> None:
    assert refused(PUBLISHED["standard-webhooks"], webhook_timestamp=given) == "no_timestamp"


def test_an_id_that_is_signed_has_to_be_there_and_the_same() -> None:
    sent = PUBLISHED["standard-webhooks"]
    assert (refused(sent, webhook_id=""), refused(sent, webhook_id="msg_x")) == ("no_id", "wrong_signature")


def test_of_several_entries_any_may_match_and_those_of_other_versions_count_nothing() -> None:
    sent = PUBLISHED["standard-webhooks"]
    genuine = sent.headers["webhook-signature"]
    check(sent, webhook_signature=f"v1a,x v1,AAAA {genuine} v2,AAAA")
    assert refused(sent, webhook_signature=genuine.replace("v1,", "v2,")) == "unsigned"


@given(st.binary(max_size=200), st.text(min_size=1, max_size=50))
def test_only_the_secret_makes_a_signature(body: bytes, secret: str) -> None:
    """Written anew with the standard library alone."""
    settings = check_settings("hmac", {"header": "X-S", "encoding": "base64", "algorithm": "sha512"})
    written = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha512).digest()).decode()
    heard = Heard({"x-s": written}, body, dt.datetime.now(dt.UTC))
    SCHEMES["hmac"].check(heard, settings, [secret])
    with pytest.raises(Refused, match="wrong_signature"):
        SCHEMES["hmac"].check(heard, settings, [f"{secret}."])


def test_an_id_counts_only_where_it_is_part_of_what_is_proven() -> None:
    """Whoever repeats a delivery could change the rest."""
    at = dt.datetime.now(dt.UTC)

    def key(sent: Sent, **changed: str) -> str:
        return say(Heard(sent.headers | changed, sent.body, at), *settings_of(sent.overlay)).key

    unsigned, token = PUBLISHED["of a commit"], PUBLISHED["a token"]
    assert key(unsigned) == key(unsigned, **{"x-github-delivery": "changed"})
    assert key(token) != key(token, **{"idempotency-key": "changed"})
    assert key(PUBLISHED["standard-webhooks"]).startswith("id ")
    assert key(PUBLISHED["of a payment, by OpenSSL"]).startswith("id ")
    assert key(PUBLISHED["of a chat"]).startswith("body ")  # there is no id in this body


@pytest.mark.parametrize(
    ("scheme", "told", "wrong"),
    [
        ("rsa", {}, "'rsa' is no way to check a delivery."),
        ("hmac", {}, "header: is missing"),
        ("hmac", {"header": "X S"}, "header: must be the name of a header"),
        ("hmac", {"header": "X", "signs": "{timestamp}"}, "signs: must hold {body}"),
        ("hmac", {"header": "X", "signs": "{path}{body}"}, "signs: has no {path}"),
        ("hmac", {"header": "X", "timestamp_header": "T"}, "timestamp_header: belongs to a {timestamp}"),
        ("hmac", {"header": "X", "signs": "{timestamp}{body}"}, "timestamp_header: belongs to a {timestamp}"),
        ("hmac", {"header": "X", "timestamp_prefix": "t="}, "timestamp_prefix: there is no timestamp_header"),
        ("hmac", {"header": "X", "signs": "{id}{body}"}, "id: must be a header"),
        ("hmac", {"header": "X", "signs": "{id}{body}", "id": "/id"}, "id: must be a header"),
        ("hmac", {"header": "X", "tolerance": 9}, "tolerance: must be a number of seconds from 10"),
        ("hmac", {"header": "X", "encoding": "base32"}, "encoding: must be one of hex, base64"),
        ("token", {"header": "X", "challenge": "challenge"}, "challenge: must be a JSON pointer"),
        ("token", {"header": "X", "id": "/a~2"}, "id: must be the name of a header, or a JSON pointer"),
        ("token", {"header": "X", "signs": "{body}"}, "signs: is not of this type"),
    ],
)  # fmt: skip
def test_settings_that_would_prove_nothing_are_refused(scheme: str, told: dict[str, object], wrong: str) -> None:
    with pytest.raises(Invalid) as problem:
        check_settings(scheme, told)
    assert problem.value.text.startswith(wrong)


@pytest.mark.parametrize("secret", ["", "short", "fifteen letters", "with\nnewline in the middle", "x" * 1_001])
def test_a_secret_is_long_enough_and_of_one_line(secret: str) -> None:
    with pytest.raises(Invalid, match="The secret must be 16 to 1,000 characters"):
        check_secret(check_settings("hmac", {"header": "X"}), secret)


@pytest.mark.parametrize(
    "secret", ["whsec_0123456789abcdef!", "whsec_AAAAAAAAA=", "thewordaloneisnokey_", "whsec_0123456789ab"]
)
def test_a_secret_that_has_to_be_base64_is(secret: str) -> None:
    settings = check_settings("hmac", {"header": "X", "secret_encoding": "base64"})
    check_secret(settings, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    if secret != "whsec_0123456789ab":  # nine bytes
        with pytest.raises(Invalid, match="not base64"):
            check_secret(settings, secret)


def test_pointers_lead_where_they_say_and_nowhere_else() -> None:
    document = {"a": [{"b/c": 1, "d~e": None}], "": {"": 2}, "-1": 3}
    places = {"/a/0/b~1c": 1, "/a/0/d~0e": None, "//": 2, "/-1": 3, "": document}
    assert {place: point(document, place) for place in places} == places
    for nowhere in ("/a/1", "/a/-1", "/a/00", "/a/0/x", "/a/0/b~1c/0", "/b", "/a/" + "9" * 30):
        with pytest.raises(Missing):
            point(document, nowhere)


def test_a_body_is_json_or_text_and_can_be_stored() -> None:
    assert read_body(b'{"a": "x\\u0000\\ud800", "b": [1.5, 9007199254740993]}') == {
        "a": "x\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}", "b": [1.5, 9007199254740993]
    }  # fmt: skip
    assert read_body(b"[" * 64 + b"{}" + b"]" * 64) != "[" * 64 + "{}" + "]" * 64
    for text in (b"a=b&c=d", b'{"a": NaN}', b'{"a": 1e999}', b"", b"[" * 100_000, b"[" * 66 + b"1" + b"]" * 66):
        assert read_body(text) == text.decode()
    assert read_body(b"\xff\x00") == "\N{REPLACEMENT CHARACTER}" * 2

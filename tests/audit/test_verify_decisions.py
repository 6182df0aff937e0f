"""Decisions and personal values: who agreed to what is proven with the passkey, and nothing else passes for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.verify import DECIDED, ENROLLED, ERASED, REVOKED, as_text
from audit.vocabulary import Kind
from console.core.actor import system
from tests.accounts.authenticator import UP, UV, SoftAuthenticator
from tests.audit.bundles import Bundle, Verify, bundle_of, changed_base64, failed, told, verifier
from tests.audit.test_verify_crypto import pure
from tests.audit.written import REVIEWER, Json, Written, a_log


@pytest.fixture(scope="module")
def log() -> Written:
    return a_log()


@pytest.fixture
def bundle(log: Written) -> Bundle:
    return bundle_of(log)


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    return verifier(tmp_path)


def test_kinds_are_those_of_the_vocabulary() -> None:
    assert [DECIDED, ERASED, REVOKED, ENROLLED] == [
        Kind.DECISION_MADE, Kind.DISCLOSURE_ERASED, Kind.PASSKEY_REVOKED, Kind.PASSKEY_ENROLLED
    ]  # fmt: skip


def test_decisions_verify_without_any_package_too(verify: Verify, bundle: Bundle) -> None:
    with pure():
        done = verify(bundle)
    assert told(done, "decisions") == "Decisions: 2 by passkey, 1 by password."


def test_each_decision_is_said_with_printed_name_time_and_meaning(verify: Verify, bundle: Bundle, log: Written) -> None:
    done = verify(bundle)
    expected = [
        f"{json.loads(log.leaves[one['index']])['ts']}  Ada: “I approve that exactly this is done.”  "
        f"by {one.get('level', 'passkey')}, record {one['index']:,}"
        for one in log.decisions
    ]
    assert done.signatures == expected
    assert all(f"\n        {one}\n" in as_text(done, done.signatures) for one in expected)
    assert "Signatures" not in as_text(done)


def test_what_does_not_verify_is_no_signature(verify: Verify) -> None:
    bundle = bundle_of(a_log())
    entries = bundle.documents("decisions.jsonl")
    flip(entries[0], "signature")
    bundle.rewrite("decisions.jsonl", entries)
    bundle.seal()
    assert len(verify(bundle).signatures) == 2


def flip(entry: Json, name: str) -> None:
    entry[name] = changed_base64(entry[name])


ALTERED: dict[str, tuple[Callable[[Json], Any], str]] = {
    "payload": (lambda one: flip(one, "payload"), "the payload is not the one that was recorded"),
    "list": (lambda one: flip(one, "listed"), "the list that was signed is not the one that was recorded"),
    "no list": (lambda one: one.pop("listed"), "something is missing"),
    "client data": (lambda one: flip(one, "client_data_json"), ""),
    "authenticator data": (lambda one: flip(one, "authenticator_data"), ""),
    "signature": (lambda one: flip(one, "signature"), "the signature of the passkey is wrong"),
    "public key": (lambda one: flip(one, "public_key"), ""),
    "no signature": (lambda one: one.pop("signature"), "the signature is not there"),
    "a password instead": (lambda one: [one.pop("signature"), one.update(level="password")], "signature is not there"),
    "no client data": (lambda one: one.pop("client_data_json"), "something is missing"),
    "no enrolment": (lambda one: one.pop("enrolled"), "something is missing"),
    "payload that is no text": (lambda one: one.update(payload=17), "something is missing"),
    "another passkey": (lambda one: one.update(passkey="pk_other"), "another passkey"),
    "another origin": (lambda one: one.update(origin="http://elsewhere:8000"), "not the console of this log"),
    "another site": (lambda one: one.update(rp_id="elsewhere"), "a passkey for another site"),
    "another leaf": (lambda one: one["enrolled"].update(leaf=one["enrolled"]["leaf"] + " "), "is not in the log"),
    "another index": (lambda one: one["enrolled"].update(index=2), "is not in the log"),
    "index that is no number": (lambda one: one["enrolled"].update(index="1"), "something is missing"),
    "a shorter proof": (lambda one: one["enrolled"]["proof"].pop(), "is not in the log"),
    "a longer proof": (lambda one: one["enrolled"]["proof"].append(one["enrolled"]["proof"][0]), "is not in the log"),
    "rubbish as proof": (lambda one: one["enrolled"].update(proof=["rubbish!"]), "not base64"),
}


LISTS: dict[str, tuple[Json, str]] = {
    "without it": ({"decisions": ["ef" * 32, "01" * 32]}, "does not hold it once"),
    "with more than it says": ({"count": 1}, "does not hold it once"),
    "of somebody else": ({"reviewer": "user_other"}, "is of something else"),
    "of another verdict": ({"decision": "refuse"}, "is of something else"),
    "that is no list": ({"type": "countersign.decision"}, "is of something else"),
    "of no decisions": ({"decisions": 17}, "something is missing or not of its kind"),
}


@pytest.mark.parametrize("altered", LISTS)
def test_a_list_that_was_signed_covers_what_it_holds_and_nothing_else(verify: Verify, altered: str) -> None:
    log, key = Written(), SoftAuthenticator()
    log.write(Kind.LOG_OPENED, actor=system("sequencer"))
    passkey = log.enrol(key)
    changed, text = LISTS[altered]
    log.decide(key, passkey, listed={})
    log.decide(key, passkey, listed=changed)
    said = told(verify(bundle_of(log)), "decisions")
    assert text in said
    assert said.count("Record ") == 1


@pytest.mark.parametrize("altered", ALTERED)
@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_decision_with_anything_altered_fails_and_is_named(verify: Verify, altered: str, alg: str) -> None:
    log = a_log(alg)
    bundle = bundle_of(log)
    entries = bundle.documents("decisions.jsonl")
    change, text = ALTERED[altered]
    change(entries[1])
    bundle.rewrite("decisions.jsonl", entries)
    bundle.seal()
    done = verify(bundle)
    index = entries[1]["index"]
    assert failed(done) == {"decisions"}
    assert done.first_bad == (index, log.id_of(index))
    assert f"Record {index} ({log.id_of(index)})" in told(done, "decisions")
    assert text in told(done, "decisions")


def test_the_signature_of_another_decision_does_not_pass(verify: Verify, bundle: Bundle) -> None:
    entries = bundle.documents("decisions.jsonl")
    for name in ("client_data_json", "authenticator_data", "signature"):
        entries[1][name] = entries[0][name]
    bundle.rewrite("decisions.jsonl", entries)
    bundle.seal()
    assert "the passkey signed something else than the payload" in told(verify(bundle), "decisions")


def test_a_decision_that_was_left_out_or_invented_is_named(verify: Verify, log: Written, bundle: Bundle) -> None:
    entries = bundle.documents("decisions.jsonl")
    invented = [*entries, entries[0] | {"index": 3}, entries[0] | {"index": "17"}, entries[0]]
    for changed, text in [(entries[1:], "decisions.jsonl does not hold it"), (invented, "Line 4 of decisions.jsonl"),
                          (invented, "Line 5 of"), (invented, "Line 6 of")]:  # fmt: skip
        bundle.rewrite("decisions.jsonl", changed)
        bundle.seal()
        done = verify(bundle)
        assert failed(done) == {"decisions"}
        assert text in told(done, "decisions")
    del bundle.files["decisions.jsonl"]
    bundle.seal()
    assert failed(verify(bundle)) == {"decisions"}


@pytest.mark.parametrize(
    "line", [b"rubbish\n", b"[]\n", b"17\n", b"{}\n", b'{"index":14}\n', b'{"index":14', b"\xff\n"]
)
def test_lines_that_are_no_decisions_fail(verify: Verify, bundle: Bundle, line: bytes) -> None:
    bundle.files["decisions.jsonl"] += line
    bundle.seal()
    assert failed(verify(bundle)) == {"decisions"}


SIGNED_WRONGLY: dict[str, tuple[Json, str]] = {
    "nobody asked": ({"flags": UV}, "did not ask its owner"),
    "nobody verified": ({"flags": UP}, "did not ask its owner"),
    "another page": ({"origin": "http://elsewhere:8000"}, "not the console of this log"),
    "another site": ({"rp_id": "elsewhere"}, "a passkey for another site"),
    "in a frame": ({"extra": {"crossOrigin": True}}, "inside a page of another site"),
    "under another page": ({"extra": {"topOrigin": "http://elsewhere"}}, "inside a page of another site"),
    "an enrolment": ({"extra": {"type": "webauthn.create"}}, "signed something else"),
}


@pytest.mark.parametrize("how", SIGNED_WRONGLY)
def test_a_passkey_that_signed_in_another_way_does_not_count(verify: Verify, how: str) -> None:
    changed, text = SIGNED_WRONGLY[how]
    log, key = Written(), SoftAuthenticator()
    log.decide(key, log.enrol(key), **changed)
    done = verify(bundle_of(log))
    assert failed(done) == {"decisions"}
    assert text in told(done, "decisions")


@pytest.mark.parametrize(("elsewhere", "text"), [
    ({"origin": "http://elsewhere:8000"}, "not the console of this log"), ({"rp_id": "elsewhere"}, "for another site"),
])  # fmt: skip
def test_what_was_signed_at_another_console_does_not_count_here(verify: Verify, elsewhere: Json, text: str) -> None:
    log, key = Written(), SoftAuthenticator()
    log.decide(key, log.enrol(key), **elsewhere)
    log.decisions[-1] |= elsewhere
    assert text in told(verify(bundle_of(log)), "decisions")


def test_a_passkey_counts_from_its_enrolment_to_its_removal_and_for_its_owner(verify: Verify) -> None:
    log, key, other = Written(), SoftAuthenticator(), SoftAuthenticator()
    passkey, theirs = log.enrol(key), log.enrol(other, user="user_grace")
    log.decide(key, passkey)
    log.decide(other, theirs)
    log.write(Kind.PASSKEY_REVOKED, passkey, detail={"user": REVIEWER.id})
    log.decide(key, passkey)
    problems = verify(bundle_of(log)).verdicts["decisions"].problems
    assert [problem.split(": ", 1)[1] for problem in problems] == [
        "the passkey was enrolled by another person.",
        "the passkey had been revoked before.",
    ]


def change_value(entries: list[Json]) -> None:
    entries[2]["value"] = "192.0.2.99"


def change_salt(entries: list[Json]) -> None:
    entries[2]["salt"] = "00" * 32


def change_path(entries: list[Json]) -> None:
    entries[2]["path"] = "name"


def repeat(entries: list[Json]) -> None:
    entries.insert(3, entries[2])


def reorder(entries: list[Json]) -> None:
    entries[2], entries[3] = entries[3], entries[2]


def move(entries: list[Json]) -> None:
    entries[2]["index"] = 4


def misspell(entries: list[Json]) -> None:
    entries[2]["index"] = "9"


def shorten(entries: list[Json]) -> None:
    del entries[2]["salt"]


@pytest.mark.parametrize(("alter", "text"), [
    (change_value, "what is disclosed as 'address' is not what was recorded"),
    (change_salt, "is not what was recorded"), (change_path, "has no commitment to 'name'"),
    (repeat, "is disclosed twice"), (reorder, "out of order"), (move, "disclosures.jsonl speaks of record 4"),
    (misspell, "names no record"), (shorten, "is not what was recorded"),
])  # fmt: skip
def test_a_personal_value_with_anything_altered_fails(
    verify: Verify, bundle: Bundle, alter: Callable[[list[Json]], None], text: str
) -> None:
    entries = bundle.documents("disclosures.jsonl")
    index = entries[2]["index"]
    alter(entries)
    bundle.rewrite("disclosures.jsonl", entries)
    bundle.seal()
    done = verify(bundle)
    assert failed(done) == {"disclosures"}
    assert text in told(done, "disclosures")
    if alter in {change_value, change_salt, change_path, repeat, shorten}:
        assert done.first_bad is not None
        assert done.first_bad[0] == index


def test_what_is_redacted_and_not_erased_is_left_to_the_reader(verify: Verify, bundle: Bundle) -> None:
    """It is no fault: who made the bundle may hold back a value. But then it was not erased."""
    assert verify(bundle).verdicts["disclosures"].state == "ok"  # two are redacted, and erased on record
    entries = bundle.documents("disclosures.jsonl")
    bundle.rewrite("disclosures.jsonl", entries[1:])
    bundle.seal()
    done = verify(bundle)
    assert (failed(done), done.verdicts["disclosures"].state) == (set(), "open")
    assert "6 personal values disclosed, as they were recorded; 3 redacted, 2 of them by" in told(done, "disclosures")
    assert "1 personal values are not here, and no record here tells that they were" in told(done, "disclosures")
    del bundle.files["disclosures.jsonl"]
    bundle.seal()
    done = verify(bundle)
    assert "0 personal values disclosed, as they were recorded; 9 redacted" in told(done, "disclosures")
    assert (failed(done), done.verdicts["disclosures"].state) == (set(), "open")
    assert "7 personal values are not here, and no record here tells that they were" in told(done, "disclosures")


def test_an_erasure_that_names_no_paths_explains_all(verify: Verify) -> None:
    log = Written()
    log.write(Kind.USER_CREATED, "user_grace", personal={"name": "Grace", "username": "grace"})
    log.write(Kind.DISCLOSURE_ERASED, log.id_of(0))
    log.disclosures.clear()
    assert "2 redacted, 2 of them by an erasure" in told(verify(bundle_of(log)), "disclosures")


@pytest.mark.parametrize("value", ["Ünïcödé ✓ \U0001f600", 17, 0.1, 1e21, True, None, [1, {"b": 2, "a": "x"}], ""])
def test_values_of_every_kind_are_sealed_as_the_log_seals_them(verify: Verify, value: object) -> None:
    log = Written()
    log.write(Kind.USER_CREATED, personal={"value": value})
    assert told(verify(bundle_of(log)), "disclosures").startswith(
        "1 personal values disclosed, as they were recorded; 0"
    )

"""What a log that lies would try: decisions with keys that were never enrolled, records that tell of another."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from audit.verify import VKey
from audit.vocabulary import Kind
from tests.accounts.authenticator import SoftAuthenticator
from tests.audit.bundles import Bundle, Verify, bundle_of, failed, told, verifier
from tests.audit.cases import restored
from tests.audit.written import LOG, ORIGIN, REVIEWER, Json, Written


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    return verifier(tmp_path)


@pytest.fixture
def key() -> SoftAuthenticator:
    return SoftAuthenticator()


def detail(key: SoftAuthenticator) -> Json:
    return {"user": REVIEWER.id, "public_key": sha256(key.public_key).hexdigest()}


def test_a_key_that_was_never_enrolled_does_not_count(verify: Verify, key: SoftAuthenticator) -> None:
    log = Written()
    log.decide(SoftAuthenticator(), log.enrol(key))
    done = verify(bundle_of(log))
    assert failed(done) == {"decisions"}
    assert "the record of the enrolment is of another key" in told(done, "decisions")


@pytest.mark.parametrize(("kind", "subject", "text"), [
    (Kind.PASSKEY_ENROLLED, "pk_mine", None), (Kind.PASSKEY_REVOKED, "pk_mine", "of another key"),
    (Kind.PAGE_READ, "pk_mine", "of another key"), (Kind.PASSKEY_ENROLLED, "pk_other", "of another passkey"),
])  # fmt: skip
def test_only_an_enrolment_of_this_passkey_counts(
    verify: Verify, key: SoftAuthenticator, kind: Kind, subject: str, text: str | None
) -> None:
    log = Written()
    log.enrolments["pk_mine"] = log.write(kind, subject, detail=detail(key))
    log.decide(key, "pk_mine")
    done = verify(bundle_of(log))
    assert failed(done) == (set() if text is None else {"decisions"})
    assert text is None or text in told(done, "decisions")


def test_an_enrolment_after_the_decision_does_not_count(verify: Verify, key: SoftAuthenticator) -> None:
    log = Written()
    log.decide(key, "pk_early")
    log.enrolments["pk_early"] = log.write(Kind.PASSKEY_ENROLLED, "pk_early", detail=detail(key))
    assert "later than the decision" in told(verify(bundle_of(log)), "decisions")


RESTORED: dict[str, tuple[str, str]] = {
    "enrolled before a restore": ("ok", "Decisions: 1 by passkey."),
    "later in its tree than the decision in the next": ("ok", "Decisions: 1 by passkey."),
    "with both keys": ("ok", "Decisions: 1 by passkey."),
    "without the key of the earlier tree": ("open", f"enrolled in {ORIGIN}: give the key of that tree too (--key)."),
    "another key": ("failed", "which no key of that tree signed"),
    "a forged tree": ("failed", "signature"),
    "in a later tree": ("failed", f"enrolled in {LOG}/2, which is no earlier tree of this log"),
    "in another log": ("failed", "enrolled in other.example/1, which is no earlier tree of this log"),
}


@pytest.mark.parametrize(("name", "bundle", "options"), [*restored(Written())], ids=[*RESTORED])
def test_an_enrolment_before_a_restore_counts_where_its_own_tree_proves_it(
    verify: Verify, name: str, bundle: Bundle, options: Json
) -> None:
    done = verify(bundle, keys=[VKey.parse(key) for key in options.get("keys", ())])
    assert done.verdicts["decisions"].state == RESTORED[name][0]
    assert RESTORED[name][1] in told(done, "decisions")


def test_an_enrolment_in_another_log_does_not_count(verify: Verify, key: SoftAuthenticator) -> None:
    log = Written()
    passkey = log.enrol(key)
    log.leaves[0] = log.leaves[0].replace(b'"log":"localhost:8000"', b'"log":"elsewhere:8000"')
    log.decide(key, passkey)
    assert "of another key" in told(verify(bundle_of(log, 1)), "decisions")


LIES: dict[str, Callable[[Json], object]] = {
    "decision": lambda leaf: leaf["decision"].update(effect="refuse"),
    "meaning": lambda leaf: leaf["detail"].update(meaning="I refuse that this is done."),
    "reviewer": lambda leaf: leaf["actor"].update(id="user_grace"),
    "action digest": lambda leaf: leaf["detail"].update(action_digest="00" * 32),
    "policy digest": lambda leaf: leaf["decision"].update(policy_digest="00" * 32),
    "review": lambda leaf: leaf["detail"].update(review="review_2"),
    "action": lambda leaf: leaf["detail"].update(of="action_2"),
    "on behalf of": lambda leaf: leaf["detail"].update(on_behalf_of="user_grace"),
    "delegation": lambda leaf: leaf["detail"].update(delegation="dlg_1"),
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("signed", [True, False])
def test_a_record_that_tells_of_another_decision_than_was_signed_fails(
    verify: Verify, key: SoftAuthenticator, name: str, signed: bool
) -> None:
    log = Written()
    passkey = log.enrol(key)
    index = log.decide(key, passkey) if signed else log.decide()
    log.rewrite(index, LIES[name])
    done = verify(bundle_of(log))
    assert failed(done) == {"decisions"}
    assert f"the record tells another {name} than what was signed" in told(done, "decisions")
    assert done.first_bad == (index, log.id_of(index))


@pytest.mark.parametrize("spoil", [
    lambda leaf: leaf.update(decision=17), lambda leaf: leaf.update(detail=[]), lambda leaf: leaf.update(actor="me"),
    lambda leaf: leaf["decision"].pop("level"), lambda leaf: leaf["detail"].pop("meaning"),
])  # fmt: skip
def test_a_decision_of_another_form_fails_and_breaks_nothing(
    verify: Verify, key: SoftAuthenticator, spoil: Callable[[Json], object]
) -> None:
    log = Written()
    log.rewrite(log.decide(key, log.enrol(key)), spoil)
    done = verify(bundle_of(log))
    assert failed(done) == {"decisions"}
    assert "something is missing or not of its kind" in told(done, "decisions")

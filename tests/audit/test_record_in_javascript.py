"""What a browser concludes from a record's proof and from what it has seen before: known, new, or an alarm."""

from base64 import b64encode
from typing import Any

import pytest

from audit.note import ML_DSA_44, SigningKey, checkpoint_body, sign_note
from audit.verify import leaf_hash
from tests.audit.test_javascript import Ask, ask
from tests.audit.test_verify_in_javascript import NODE
from tests.audit.written import ORIGIN, Json, Witness, Written

__all__ = ["ask"]
pytestmark = pytest.mark.skipif(not NODE, reason="Node is not installed")
AT = "2026-11-20T12:00:00.000Z"


@pytest.fixture
def log() -> Written:
    written = Written()
    written.witnesses = []
    for number in range(30):
        written.write("audit:page:read", f"page {number}")
    return written


def note(log: Written, size: int, keys: list[SigningKey] | None = None) -> str:
    return sign_note(checkpoint_body(ORIGIN, size, log.tree().root(size)), keys or log.keys)


def lines(proof: list[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in proof]


def seen(log: Written, index: int = 7, size: int = 30, known: int | None = None, **changed: Any) -> Json:
    """What the page and the server say of a record, to a browser that remembers a tree of `known` leaves."""
    keys = changed.pop("keys", log.keys)
    signed = changed.pop("note", note(log, size, keys))
    proof = ["c2sp.org/tlog-proof@v1", f"index {index}", *lines(log.tree().inclusion(index, size)), "", signed]
    told = {"proof": "\n".join(proof), "keys": [key.vkey for key in keys], "witnesses": [], "introductions": []}
    memory = {"note": note(log, known), "keys": [key.vkey for key in log.keys], "at": AT} if known is not None else None
    old, new = sorted((size, size if known is None else known))
    consistency = lines(log.tree().consistency(old, new))
    return {
        "leaf": log.leaves[index].decode(), "hash": leaf_hash(log.leaves[index]).hex(),
        "told": told | changed.pop("told", {}), "known": memory, "proof": consistency, **changed,
    }  # fmt: skip


def concluded(ask: Ask, one: Json) -> Json:
    [answer] = ask([["checkSeen", {"json": one}]])
    assert isinstance(answer, dict)
    return answer


def told(answer: Json, what: str) -> str:
    return next(str(one["text"]) for one in answer["checks"] if one["what"] == what)


def test_the_first_time_a_key_is_shown_and_remembered(ask: Ask, log: Written) -> None:
    answer = concluded(ask, seen(log))
    assert "sees for the first time" in told(answer, "Signature")
    assert answer["remember"] == {"note": note(log, 30), "keys": [log.keys[0].vkey]}


@pytest.mark.parametrize(("known", "kept"), [(0, 30), (1, 30), (16, 30), (29, 30), (30, 30)])
def test_a_log_that_grew_is_recognised(ask: Ask, log: Written, known: int, kept: int) -> None:
    answer = concluded(ask, seen(log, known=known))
    assert "which this browser knows" in told(answer, "Signature")
    assert f"One history with the tree of {known} records" in told(answer, "History")
    assert answer["remember"]["note"] == note(log, kept)


def test_an_older_view_of_the_same_log_is_no_alarm_and_not_remembered(ask: Ask, log: Written) -> None:
    answer = concluded(ask, seen(log, size=20, known=28))
    assert answer["remember"]["note"] == note(log, 28)


def forged(log: Written) -> Written:
    """The same log with one record changed, by somebody who holds its keys."""
    other = Written()
    other.leaves, other.keys, other.witnesses = [*log.leaves], log.keys, []
    other.leaves[3] = other.leaves[3].replace(b"page 3", b"page X")
    return other


@pytest.mark.parametrize("size", [20, 28, 30])
def test_a_history_that_was_rewritten_is_an_alarm(ask: Ask, log: Written, size: int) -> None:
    one = seen(forged(log), size=size) | {"known": seen(log, known=28)["known"]}
    for proof in (one["proof"], lines(forged(log).tree().consistency(min(size, 28), max(size, 28))), None):
        assert concluded(ask, one | {"proof": proof})["alarm"] == "history"


def test_a_leaf_or_a_hash_that_was_altered_is_an_alarm(ask: Ask, log: Written) -> None:
    one = seen(log, known=10)
    altered = one["leaf"].replace("page 7", "page 8")
    for change in ({"leaf": altered}, {"hash": "00" * 32},
                   {"leaf": altered, "hash": leaf_hash(altered.encode()).hex()}):  # fmt: skip
        assert concluded(ask, one | change)["alarm"] == "leaf"


@pytest.mark.parametrize("proof", ["", "rubbish", "c2sp.org/tlog-proof@v1\nindex 07\n\n", "c2sp.org/tlog-proof@v1\n\n"])
def test_what_is_no_proof_is_an_alarm(ask: Ask, log: Written, proof: str) -> None:
    assert concluded(ask, seen(log, told={"proof": proof}))["alarm"] == "leaf"


def test_another_key_is_an_alarm_unless_a_known_one_vouches_for_it(ask: Ask, log: Written) -> None:
    successor = SigningKey.generate(ORIGIN)
    one = seen(log, known=10, keys=[successor])
    assert concluded(ask, one)["alarm"] == "key"
    overlap = note(log, 15, [*log.keys, successor])
    one["told"]["introductions"] = [overlap]
    answer = concluded(ask, one)
    assert f"The key {successor.id.hex()} is new" in told(answer, "Key")
    assert answer["remember"]["keys"] == [log.keys[0].vkey, successor.vkey]
    alone = note(log, 15, [successor])
    assert concluded(ask, one | {"told": one["told"] | {"introductions": [alone]}})["alarm"] == "key"


def test_keys_vouch_for_each_other_along_a_chain(ask: Ask, log: Written) -> None:
    second, third = SigningKey.generate(ORIGIN), SigningKey.generate(ORIGIN)
    chain = [note(log, 15, [log.keys[0], second]), note(log, 20, [second, third])]
    told = {"introductions": chain, "keys": [log.keys[0].vkey, second.vkey, third.vkey]}
    answer = concluded(ask, seen(log, known=10, keys=[third], told=told))
    assert answer["remember"]["keys"] == [log.keys[0].vkey, second.vkey, third.vkey]


def test_a_key_that_signs_beside_a_known_one_is_learned(ask: Ask, log: Written) -> None:
    both = [log.keys[0], SigningKey.generate(ORIGIN)]
    assert concluded(ask, seen(log, known=10, keys=both))["remember"]["keys"] == [key.vkey for key in both]


def test_a_wrong_signature_under_a_known_name_is_an_alarm(ask: Ask, log: Written) -> None:
    lines = note(log, 30).split("\n")
    lines[4] = note(log, 29).split("\n")[4]
    assert concluded(ask, seen(log, known=10, note="\n".join(lines)))["alarm"] == "key"
    assert concluded(ask, seen(log, note="\n".join(lines)))["alarm"] == "key"


def test_a_second_signature_that_a_browser_cannot_check_does_not_matter(ask: Ask, log: Written) -> None:
    both = [log.keys[0], SigningKey.generate(ORIGIN, ML_DSA_44)]
    assert "checks" in concluded(ask, seen(log, known=10, keys=both))
    assert concluded(ask, seen(log, keys=both[1:]))["alarm"] == "key"


def test_keys_of_another_log_do_not_count(ask: Ask, log: Written) -> None:
    other = [SigningKey.generate("elsewhere:80/1")]
    assert concluded(ask, seen(log, keys=other))["alarm"] == "key"


def test_witnesses_are_named_and_a_false_one_is_an_alarm(ask: Ask, log: Written) -> None:
    witness = Witness("witness.example/w1")
    body = checkpoint_body(ORIGIN, 30, log.tree().root(30))
    right, wrong = note(log, 30) + witness.cosign(body), note(log, 30) + witness.cosign(body + "x\n")
    keys = {"witnesses": [str(witness.vkey)]}
    answer = concluded(ask, seen(log, note=right, told=keys))
    assert told(answer, "Witness") == "witness.example/w1 saw this tree at 2026-11-18 11:06:40 UTC."
    assert told(concluded(ask, seen(log, told=keys)), "Witness") == "None has seen this tree yet."
    assert concluded(ask, seen(log, note=wrong, told=keys))["alarm"] == "witness"

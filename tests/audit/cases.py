"""Bundles sound and tampered with, each with what an auditor gives: what every verifier has to say the same about."""

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from audit.note import ML_DSA_44, SigningKey
from audit.vocabulary import Kind
from tests.accounts.authenticator import SoftAuthenticator
from tests.audit import test_verify_decisions as decisions
from tests.audit.bundles import Bundle, bundle_of, changed_base64
from tests.audit.test_verify_bundle import TAMPERED
from tests.audit.written import LOG, ORIGIN, REVIEWER, Json, Witness, Written, a_log

Case = tuple[str, Bundle, Json]


def sound(log: Written) -> Iterator[Case]:
    for alg in ("ES256", "EdDSA"):
        yield f"sound {alg}", bundle_of(a_log(alg)), {}
    for begin, end in [(0, 1), (5, 30), (16, 32), (31, 32), (37, 38), (38, 38), (0, 0)]:
        yield f"range {begin} {end}", bundle_of(log, begin, end), {}
    yield "filtered", bundle_of(log, 5, 30, chosen=[6, 7, 14, 20], filtered_by={"kind": "audit:page:read"}), {}
    yield "pruned", bundle_of(log, chosen=range(10, 38)), {}
    for value in [
        "Ünïcödé ✓ \U0001f600",
        17,
        0.1,
        1e21,
        1e-7,
        -0.0,
        True,
        None,
        [1, {"b": 2, "a": "x"}],
        "",
        {"é": 1, "z": 2},
    ]:
        other = Written()
        other.write(Kind.USER_CREATED, personal={"value": value})
        yield f"value {value!r}", bundle_of(other), {}
    other = a_log()
    other.leaves[20] = b"no record"
    yield "the log's own fault", bundle_of(other), {}
    for blank in (b" %s", b"%s ", b"\xef\xbb\xbf%s"):
        other = a_log()
        other.leaves[20] = blank.replace(b"%s", other.leaves[20])
        yield f"around a record {blank!r}", bundle_of(other), {}


def tampered(log: Written) -> Iterator[Case]:
    for tamper in TAMPERED:
        for hashes in (False, True):
            for sealed in (False, True):
                bundle = bundle_of(log, hashes=hashes)
                tamper(bundle)
                if sealed:
                    bundle.seal()
                yield f"{tamper.__name__} hashes={hashes} sealed={sealed}", bundle, {}


def filtered(log: Written) -> Iterator[Case]:
    chosen = [6, 7, 14, 20, 29]
    lists = ["6 7 14 20", "6 7 14 20 28 29", "6 14 7 20 29", "6 6 14 20 29", "4 7 14 20 29", "6 7 14 20 30",
             "6 7 14 20 x", "6 7 14 21 29"]  # fmt: skip
    texts = [one.replace(" ", "\n") + "\n" for one in lists]
    for listed in [*texts, "6\n7\n14\n20\n29"]:
        bundle = bundle_of(log, 5, 30, chosen=chosen, filtered_by={"team": "team_one"})
        bundle.files["indexes.txt"] = listed.encode()
        bundle.seal()
        yield f"indexes {listed!r}", bundle, {}
    changes: dict[str, Callable[[bytes], bytes] | None] = {
        "short": lambda one: one[:-32],
        "long": lambda one: one + bytes(32),
        "odd": lambda one: one[:-1],
        "first": lambda one: bytes([one[0] ^ 1]) + one[1:],
        "away": None,
    }
    for what, change in changes.items():
        bundle = bundle_of(log, 5, 30, chosen=chosen)
        if change:
            bundle.files["hashes.bin"] = change(bundle.files["hashes.bin"])
        else:
            del bundle.files["hashes.bin"]
        bundle.seal()
        yield f"hashes {what}", bundle, {}


def decided(log: Written) -> Iterator[Case]:
    for name, (alter, _) in decisions.ALTERED.items():
        for alg in ("ES256", "EdDSA"):
            changed_second = partial(change_second, alter)
            yield f"decision {name} {alg}", rewritten(bundle_of(a_log(alg)), "decisions", changed_second), {}
    for name, (changed, _) in decisions.SIGNED_WRONGLY.items():
        other, key = Written(), SoftAuthenticator()
        other.decide(key, other.enrol(key), **changed)
        yield f"signed {name}", bundle_of(other), {}
    for line in [b"rubbish\n", b"[]\n", b"17\n", b"{}\n", b'{"index":14}\n', b'{"index":14', b"\xff\n"]:
        bundle = bundle_of(log)
        bundle.files["decisions.jsonl"] += line
        bundle.seal()
        yield f"line {line!r}", bundle, {}
    yield "decisions left out", rewritten(bundle_of(log), "decisions", lambda all: all.pop(0)), {}
    invented: list[Json] = [{"index": 3}, {"index": "17"}, {}, {"index": None}]
    for change in invented:
        yield f"invented {change}", rewritten(bundle_of(log), "decisions", partial(add_like_first, change)), {}
    other, key, theirs = Written(), SoftAuthenticator(), SoftAuthenticator()
    passkey = other.enrol(key)
    other.decide(theirs, other.enrol(theirs, user="user_grace"))
    other.write(Kind.PASSKEY_REVOKED, passkey, detail={"user": REVIEWER.id})
    other.decide(key, passkey)
    yield "somebody else's, and revoked", bundle_of(other), {}


def restored(_: Written) -> Iterator[Case]:
    """A decision in the second tree, by a passkey that was enrolled in the first."""

    def after(origin: str = f"{LOG}/2", first: str = ORIGIN, at: int = 0) -> Written:
        before, key = Written(first), SoftAuthenticator()
        for number in range(at):
            before.write(Kind.PAGE_READ, f"page {number}")
        passkey = before.enrol(key)
        log = Written(origin, before)
        log.decide(key, passkey)
        return log

    def forge(entries: list[Json]) -> None:
        note = entries[0]["enrolled"]["checkpoint"]
        entries[0]["enrolled"]["checkpoint"] = note.replace(note.splitlines()[2], "A" * 43 + "=")

    log = after()
    before = log.before or log
    yield "enrolled before a restore", bundle_of(log), {}
    yield "later in its tree than the decision in the next", bundle_of(after(at=9)), {}
    yield "with both keys", bundle_of(log), {"keys": [log.keys[0].vkey, before.keys[0].vkey]}
    yield "without the key of the earlier tree", bundle_of(log), {"keys": [log.keys[0].vkey]}
    yield "another key", bundle_of(log), {"keys": [log.keys[0].vkey, SigningKey.generate(ORIGIN).vkey]}
    yield "a forged tree", rewritten(bundle_of(log), "decisions", forge), {}
    yield "in a later tree", bundle_of(after(ORIGIN, f"{LOG}/2")), {}
    yield "in another log", bundle_of(after(first="other.example/1")), {}


def reopened(_: Written) -> Iterator[Case]:
    """Leaf 0 of the second tree, without a checkpoint of the first."""
    keys = {"user_ada": SoftAuthenticator(), "user_grace": SoftAuthenticator()}

    def after(
        people: Mapping[str, SoftAuthenticator] = keys, change: Callable[[Json], object] = lambda _: None
    ) -> Written:
        log = Written(f"{LOG}/2", a_log())
        log.reopen(people)
        log.rewrite(0, lambda leaf: change(leaf["detail"]))
        log.write(Kind.PAGE_READ, "page")
        return log

    yield "signed by two", bundle_of(after()), {}
    yield "without leaf 0", bundle_of(after({}), 1), {}
    yield "leaf 0 alone of a filter", bundle_of(after(), chosen=[0], filtered_by={"kind": "audit:log:restored"}), {}
    yield "signed by nobody", bundle_of(after({})), {}
    yield "signed by one", bundle_of(after({"user_ada": keys["user_ada"]})), {}
    yield (
        "signed twice by one",
        bundle_of(after(change=lambda detail: detail.update(signatures=detail["signatures"][:1] * 2))),
        {},
    )
    yield "no signatures", bundle_of(after(change=lambda detail: detail.pop("signatures"))), {}
    yield "signatures of another kind", bundle_of(after(change=lambda detail: detail.update(signatures=7))), {}
    yield "over another end", bundle_of(after(change=lambda detail: detail.update(size=7))), {}
    yield "over another tree", bundle_of(after(change=lambda detail: detail.update(present_root="00" * 32))), {}


def pruned(_: Written) -> Iterator[Case]:
    """Records are missing, and retention has told why; or has not."""

    def told(begin: int = 10, end: int = 20, *, month: str = "2026-04", **changed: Any) -> Written:
        log = a_log()
        tree = {"origin": ORIGIN, "begin": begin, "end": end, "records": end - begin} | changed
        log.write(Kind.RETENTION_PRUNED, month, detail={"records": end - begin, "trees": [tree]})
        return log

    def without(log: Written, *missing: range, begin: int = 0, end: int | None = None, **given: Any) -> Bundle:
        left = [index for index in range(begin, end or len(log.leaves)) if not any(index in one for one in missing)]
        return bundle_of(log, begin, end, chosen=left, **given)

    gone = range(10, 20)
    yield "told", without(told(), gone), {}
    yield "told of more", without(told(), range(12, 17)), {}
    yield "told of two months", without(twice(told(), 20, 25), gone, range(20, 25)), {}
    yield "told of what overlaps", without(twice(told(), 15, 25), gone, range(20, 25)), {}
    yield "one between two months", without(twice(told(), 21, 30), gone, range(20, 25)), {}
    yield "one before", without(told(), range(9, 19)), {}
    yield "one behind", without(told(), range(11, 21)), {}
    yield "one elsewhere", without(told(0, 30, records=1), gone), {}
    yield "one more than was told", without(told(records=9), gone), {}
    yield "of another tree", without(told(origin=f"{LOG}/2"), gone), {}
    yield "too young", without(told(month="2026-05"), gone), {}
    yield "next year", without(told(month="2027-04"), gone), {}
    for month in ("2026-4", "2026-13", "2026-04-01", "", "april"):
        yield f"of {month}", without(told(month=month), gone), {}
    changes: list[Json] = [
        {"begin": "10"},
        {"end": None},
        {"end": -1},
        {"records": True},
        {"end": 10**15},
        {"origin": 7},
    ]
    for change in changes:
        log = told()
        log.rewrite(-1, lambda leaf, change=change: leaf["detail"]["trees"][0].update(change))  # type: ignore[misc]
        yield f"told as {change}", without(log, gone), {}
    yield "not told", without(a_log(), gone), {}
    yield "the last not told", without(a_log(), range(30, 38)), {}
    yield "what would tell comes later", without(told(), gone, end=30), {}
    yield "the range begins among them", without(told(), gone, begin=15), {}
    closed = without(a_log(), gone)
    closed.seal(closed=True)
    yield "not told, of a closed tree", closed, {}
    yield "filtered", without(a_log(), gone, filtered_by={"kind": "audit:page:read"}), {}


def twice(log: Written, begin: int, end: int) -> Written:
    tree = {"origin": ORIGIN, "begin": begin, "end": end, "records": end - begin}
    log.write(Kind.RETENTION_PRUNED, "2026-03", detail={"records": end - begin, "trees": [tree]})
    return log


def change_second(alter: Callable[[Json], Any], entries: list[Json]) -> None:
    alter(entries[1])


def add_like_first(change: Json, entries: list[Json]) -> None:
    entries.append(entries[0] | change)


def disclosed(log: Written) -> Iterator[Case]:
    acts = (decisions.change_value, decisions.change_salt, decisions.change_path, decisions.repeat, decisions.reorder,
            decisions.move, decisions.misspell, decisions.shorten)  # fmt: skip
    for act in acts:
        yield f"disclosure {act.__name__}", rewritten(bundle_of(log), "disclosures", act), {}
    yield "redacted", rewritten(bundle_of(log), "disclosures", lambda all: all.clear()), {}


def rewritten(bundle: Bundle, name: str, change: Callable[[list[Json]], Any]) -> Bundle:
    entries = bundle.documents(f"{name}.jsonl")
    change(entries)
    bundle.rewrite(f"{name}.jsonl", entries)
    bundle.seal()
    return bundle


def signed(log: Written) -> Iterator[Case]:
    key, policy = [log.keys[0].vkey], log.policy
    yield "pinned", bundle_of(log), {"keys": key}
    yield "own policy", bundle_of(log), {"policy": policy}
    yield "another key", bundle_of(log), {"keys": [SigningKey.generate(ORIGIN).vkey]}
    yield "another log's key", bundle_of(log), {"keys": [SigningKey.generate("localhost:8000/2").vkey]}
    yield (
        "an invented witness",
        bundle_of(log),
        {"policy": policy.replace(str(log.witnesses[0].vkey), str(Witness("witness.example/w1").vkey))},
    )
    other = a_log()
    other.keys += [SigningKey.generate(ORIGIN), SigningKey.generate(ORIGIN, ML_DSA_44)]
    for number in range(3):
        yield f"one of three keys {number}", bundle_of(other), {"keys": [other.keys[number].vkey]}
    yield "three keys", bundle_of(other), {"keys": [one.vkey for one in other.keys]}
    alone = a_log()
    alone.witnesses = []
    yield "no witness", bundle_of(alone), {}
    yield "no witness and a policy", bundle_of(alone), {"policy": alone.policy}
    for begin, size in [(0, 0), (0, 1), (0, 16), (0, 38), (21, 20), (20, 20), (5, 20)]:
        yield f"kept {begin} {size}", bundle_of(log, begin), {"since": log.note(size)}
    yield "kept and proven", bundle_of(log, 30, previous=20), {"since": log.note(20)}
    yield "kept another", bundle_of(log, 30, previous=20), {"since": log.note(21)}
    yield "kept a newer one", bundle_of(log), {"since": log.continued().note()}
    yield "kept rubbish", bundle_of(log), {"since": "rubbish"}
    yield "kept of another log", bundle_of(log), {"since": a_log().note(20)}
    forged = a_log()
    forged.keys, forged.witnesses = log.keys, log.witnesses
    for begin in (0, 30):
        yield f"rewritten {begin}", bundle_of(forged, begin, previous=20), {"since": log.note(20), "keys": key}


def files_changed(log: Written) -> Iterator[Case]:
    whole = bundle_of(log, previous=20)
    for name, data in whole.files.items():
        for how in ("altered", "missing", "longer"):
            bundle = whole.copy()
            bundle.files[name] = data + b"\n" if how == "longer" else bytes([data[0] ^ 1]) + data[1:]
            if how == "missing":
                del bundle.files[name]
            yield f"{name} {how}", bundle, {}
    for name, data in {
        "extra.txt": b"",
        ".DS_Store": b"",
        "policy": b"quorum none\nquorum none\n",
        "anchors/one.receipt": b"x",
    }.items():
        bundle = whole.copy()
        bundle.files[name] = data
        bundle.seal() if name == "anchors/one.receipt" else None
        yield f"with {name}", bundle, {}
    for note in [b"", b"rubbish", b"\xff", b"localhost:8000/1\n38\nAAAA\n\n- x AAAAAAAA\n"]:
        bundle = whole.copy()
        bundle.files["checkpoint"] = note
        bundle.seal()
        yield f"checkpoint {note!r}", bundle, {}
    changes: list[Json] = [
        {"origin": "localhost:8000/2"},
        {"size": 39},
        {"begin": 1},
        {"end": 37},
        {"begin": 39},
        {"records": 37},
    ]
    for changed in changes:
        bundle = whole.copy()
        bundle.seal(**changed)
        yield f"manifest {changed}", bundle, {}
    proof = whole.files["consistency.txt"].decode().splitlines()
    for what, lines in {
        "flip": [proof[0], changed_base64(proof[1]), *proof[2:]],
        "drop": proof[:-1],
        "add": [*proof, proof[0]],
    }.items():
        bundle = whole.copy()
        bundle.files["consistency.txt"] = "".join(f"{line}\n" for line in lines).encode()
        bundle.seal()
        yield f"consistency {what}", bundle, {}


def spoilt(log: Written) -> Iterator[Case]:
    """Single bytes, wherever; always the same ones for one log."""
    whole, chance = bundle_of(log, 3, 30, chosen=[4, 14, 20, 27], previous=20), random.Random(27)
    names = sorted(set(whole.files) - {"manifest.json"})
    for number in range(150):
        bundle, name = whole.copy(), chance.choice(names)
        content = bytearray(bundle.files[name])
        if content:
            content[chance.randrange(len(content))] = chance.randrange(256)
        bundle.files[name] = bytes(content)
        if number % 2:
            bundle.seal()
        yield f"spoilt {number} {name}", bundle, {}


FAMILIES = (sound, tampered, filtered, decided, restored, reopened, pruned, disclosed, signed, files_changed, spoilt)

"""The verifier of the browser says about every bundle, sound or tampered with, what `audit/verify.py` says."""

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from audit.note import ML_DSA_44
from audit.verify import Options, Policy, Source, Unreadable, Verification, VKey
from tests.audit.bundles import Bundle, bundle_of
from tests.audit.cases import FAMILIES, Case, files_changed, tampered
from tests.audit.test_verify_crypto import pure
from tests.audit.written import Json, Written, a_log

RUNNER = Path(__file__).with_name("check_bundles.mjs")
NODE = shutil.which("node") or ""
pytestmark = pytest.mark.skipif(not NODE, reason="Node is not installed")


@pytest.mark.parametrize(
    ("family", "archived"), [*((family, False) for family in FAMILIES), (tampered, True), (files_changed, True)]
)
def test_both_verifiers_say_the_same(
    family: Callable[[Written], Iterator[Case]], tmp_path: Path, archived: bool
) -> None:
    cases = list(family(a_log()))
    places = [write(bundle, tmp_path / str(number), archived) for number, (_, bundle, _) in enumerate(cases)]
    given = [{"place": str(place), "archived": archived, **options}
             for place, (_, _, options) in zip(places, cases, strict=True)]  # fmt: skip
    theirs = in_javascript(given, tmp_path)
    ours = [in_python(place, options) for place, (_, _, options) in zip(places, cases, strict=True)]
    pairs = zip(cases, map(comparable, theirs), map(comparable, ours), strict=True)
    found = [(name, one, other) for (name, _, _), theirs, ours in pairs for one, other in differences(theirs, ours)]
    assert found == [], "\n".join(map(str, found))


def test_damaged_and_odd_archives(tmp_path: Path) -> None:
    bundle, places = (
        bundle_of(a_log()),
        [tmp_path / name for name in ("deflated", "moved", "damaged", "cut", "odd", "twice", "empty")],
    )
    deflated, moved, damaged, cut, odd, twice, empty = places
    bundle.archive(deflated, zipfile.ZIP_DEFLATED)
    moved.write_bytes(b"#!/bin/sh\n" * 7 + bundle.archive(tmp_path / "whole").read_bytes())
    data = bytearray((tmp_path / "whole").read_bytes())
    cut.write_bytes(data[: len(data) // 2])
    data[5_000] ^= 1
    damaged.write_bytes(data)
    bundle.archive(odd, zipfile.ZIP_BZIP2)
    bundle.archive(twice)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("leaves.jsonl", b"")
    empty.write_bytes(b"")
    theirs = in_javascript([{"place": str(place), "archived": True} for place in places], tmp_path)
    assert list(map(comparable, theirs)) == [comparable(in_python(place, {})) for place in places]


def write(bundle: Bundle, place: Path, archived: bool) -> Path:
    return bundle.archive(place) if archived else bundle.folder(place)


def in_javascript(cases: list[Json], place: Path) -> list[Json]:
    (place / "cases.json").write_text(json.dumps(cases))
    command = [NODE, "--no-warnings", str(RUNNER), str(place / "cases.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Json] = json.loads(done.stdout)
    return found


def in_python(place: Path, options: Json) -> Json:
    policy = Policy.parse(options["policy"]) if "policy" in options else None
    given = Options(list(map(VKey.parse, options.get("keys", ()))), policy, options.get("since", ""))
    try:
        verification = Verification(Source(place), given)
    except Unreadable:
        return {"unreadable": ""}
    with pure() if any(key.kind == ML_DSA_44 for key in given.keys) else nullcontext():
        verification.run()
    told = {aspect: {"state": one.state, "problems": one.problems, "open": one.left, "said": one.said}
            for aspect, one in verification.verdicts.items()}  # fmt: skip
    bad = verification.first_bad
    return {"ok": not verification.failed, "first_bad": list(bad) if bad else None, "records": verification.records,
            "verdicts": told}  # fmt: skip


# What each says in words of its own: the language's fault in brackets, and where to look for what it cannot do.
OWN_WORDS = [(re.compile(pattern), text) for pattern, text in [
    (r"(is not JSON|not of its kind|lacks something) \(.*\)\.", r"\1."),
    (r" is damaged: .*", " is damaged"),
    (r" \(--since, --state\)", ""),
    (r"give --policy to say", "give your own policy to say"),
    (r"it needs (verify\.py with the package )?cryptography", "it needs cryptography"),
    (r"to check them, (verify\.py with )?the package cryptography is needed", "to check them, cryptography is needed"),
]]  # fmt: skip


def comparable(said: Json) -> Json:
    """One line for each thing said, by question and state."""
    if "unreadable" in said:
        return {"unreadable": True}
    found = {name: said[name] for name in ("ok", "first_bad", "records")}
    for aspect, verdict in said["verdicts"].items():
        found[aspect] = verdict["state"]
        found |= {f"{aspect} {what}": list(map(plain, verdict[what])) for what in ("problems", "open", "said")}
    return found


def differences(theirs: Json, ours: Json) -> list[tuple[object, object]]:
    return [((name, theirs.get(name)), ours.get(name)) for name in theirs | ours if theirs.get(name) != ours.get(name)]


def plain(text: str) -> str:
    for pattern, other in OWN_WORDS:
        text = pattern.sub(other, text)
    return text

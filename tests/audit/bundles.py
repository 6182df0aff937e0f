"""Bundles made of such a log: the files by name, to be tampered with, and written as a directory or a ZIP."""

import hashlib
import json
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from audit.merkle import inclusion_proof
from audit.verify import Options, Source, Verification, leaf_hash, range_nodes
from tests.audit.written import Grown, Json, Written

Files = dict[str, bytes]


@dataclass
class Bundle:
    files: Files
    begin: int
    end: int
    size: int
    included: list[int]
    filter: Json
    origin: str
    chunk: int = 16  # leaf indexes in one chunk

    def copy(self) -> "Bundle":
        return replace(self, files=dict(self.files))

    def seal(self, **changed: object) -> None:
        """Write the manifest anew, as a careful forger would too."""
        leaves = self.files["leaves.jsonl"].splitlines(keepends=True)
        files = {name: {"bytes": len(data), "sha256": digest(data)}
                 for name, data in self.files.items() if name != "manifest.json"}  # fmt: skip
        manifest = {"format": "countersign-bundle/1", "origin": self.origin, "begin": self.begin, "end": self.end,
                    "size": self.size, "records": len(leaves), "filter": self.filter, "made_at": "2026-11-20T13:00:00Z",
                    "made_by": "user_auditor", "export": "export_1", "files": files,
                    "chunks": self.chunks(leaves)}  # fmt: skip
        self.files["manifest.json"] = json.dumps(manifest | changed, indent=1).encode()

    def chunks(self, leaves: list[bytes]) -> list[Json]:
        found = []
        places = self.included if len(self.included) == len(leaves) else range(self.begin, self.begin + len(leaves))
        for begin in range(self.begin, self.end, self.chunk):
            end = min(begin + self.chunk, self.end)
            data = b"".join(leaf for at, leaf in zip(places, leaves, strict=True) if begin <= at < end)
            found.append({"begin": begin, "end": end, "bytes": len(data), "sha256": digest(data)})
        return found

    @property
    def leaves(self) -> list[bytes]:
        return self.files["leaves.jsonl"].splitlines()

    @leaves.setter
    def leaves(self, leaves: Iterable[bytes]) -> None:
        self.files["leaves.jsonl"] = b"".join(leaf + b"\n" for leaf in leaves)

    def documents(self, name: str) -> list[Json]:
        return [json.loads(line) for line in self.files[name].splitlines()]

    def rewrite(self, name: str, documents: Iterable[Json]) -> None:
        self.files[name] = jsonl(documents)

    def folder(self, place: Path) -> Path:
        for name, data in self.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        return place

    def archive(self, place: Path, compression: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(place, "w", compression) as archive:
            for name, data in self.files.items():
                archive.writestr(name, data)
        return place


def bundle_of(log: Written, begin: int = 0, end: int | None = None, *, chosen: Iterable[int] | None = None,
              filtered_by: Mapping[str, object] | None = None, previous: int | None = None,
              hashes: bool = False) -> Bundle:  # fmt: skip
    """`chosen`: the indexes that are included, when not all are."""
    size, tree = len(log.leaves), log.tree()
    end = size if end is None else end
    included = list(range(begin, end) if chosen is None else chosen)
    left, right = range_nodes(begin, end, size)
    files: Files = {
        "leaves.jsonl": b"".join(log.leaves[index] + b"\n" for index in included),
        "range-proof.txt": "\n".join(
            ["countersign-range@v1", f"{begin} {end} {size}", *lines(map(tree.read, left)), "",
             *lines(map(tree.read, right)), ""]).encode(),
        "checkpoint": log.note().encode(),
        "policy": log.policy.encode(),
        "disclosures.jsonl": jsonl(one for one in log.disclosures if one["index"] in included),
        "decisions.jsonl": jsonl(with_enrolment(log, one, tree) for one in log.decisions if one["index"] in included),
        "README.txt": b"Run verify.py.\n",
    }  # fmt: skip
    if chosen is not None or hashes:
        files["hashes.bin"] = b"".join(map(leaf_hash, log.leaves[begin:end]))
    if chosen is not None:
        files["indexes.txt"] = "".join(f"{index}\n" for index in included).encode()
    if previous is not None:
        files["previous-checkpoint"] = log.note(previous).encode()
        files["consistency.txt"] = "".join(f"{one}\n" for one in lines(tree.consistency(previous))).encode()
    bundle = Bundle(files, begin, end, size, included, dict(filtered_by or {}), log.origin)
    bundle.seal()
    return bundle


def with_enrolment(log: Written, entry: Json, tree: Grown) -> Json:
    if "passkey" not in entry:
        return entry
    if log.before and entry["passkey"] not in log.enrolments:
        found = with_enrolment(log.before, entry, log.before.tree())
        return found | {"enrolled": found["enrolled"] | {"checkpoint": log.before.note()}}
    index = log.enrolments[entry["passkey"]]
    proof = lines(inclusion_proof(index, len(log.leaves), tree.read))
    return entry | {"enrolled": {"index": index, "leaf": log.leaves[index].decode(), "proof": proof}}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def lines(hashes: Iterable[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in hashes]


def jsonl(documents: Iterable[Json]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def changed_base64(text: str) -> str:
    """One bit of it."""
    data = bytearray(b64decode(text))
    data[len(data) // 2] ^= 1
    return b64encode(data).decode()


Verify = Callable[..., Verification]


def verifier(place: Path) -> Verify:
    """Writes a bundle down and verifies it."""

    def verify(bundle: Bundle, *, archived: bool = False, **options: object) -> Verification:
        path = place / f"bundle {len(list(place.iterdir()))}"
        written = bundle.archive(path) if archived else bundle.folder(path)
        verification = Verification(Source(written), Options(**options))  # type: ignore[arg-type]
        verification.run()
        return verification

    return verify


def failed(verification: Verification) -> set[str]:
    return {aspect for aspect, verdict in verification.verdicts.items() if verdict.state == "failed"}


def told(verification: Verification, aspect: str) -> str:
    return "\n".join(verification.verdicts[aspect].texts)

"""A small log made by hand, without a database: people, decisions and personal values, and a tree over it."""

import datetime as dt
import hashlib
import json
import struct
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.leaf import Commitment, Entry, build
from audit.merkle import Tile, consistency_proof, extend, inclusion_proof, reader, rightmost, tree_root
from audit.note import SigningKey, checkpoint_body, sign_note
from audit.verify import COSIGNATURE, Node, VKey, key_id, leaf_hash
from audit.vocabulary import Kind
from console.core.actor import Actor, system
from console.core.canonical import jcs
from console.core.clock import iso
from console.core.ids import new_id, uuid7
from tests.accounts.authenticator import SoftAuthenticator

LOG, CONSOLE, RP_ID = "localhost:8000", "http://localhost:8000", "localhost"
ORIGIN = f"{LOG}/1"
REVIEWER = Actor(kind="human", id="user_ada", team="team_one", auth="session", name="Ada")
AT = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
WITNESSED = 1_795_000_000  # a moment, in seconds since 1970
Json = dict[str, Any]


@dataclass
class Witness:
    name: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def vkey(self) -> VKey:
        public = self.key.public_key().public_bytes_raw()
        return VKey(self.name, key_id(self.name, bytes([COSIGNATURE]) + public), COSIGNATURE, public)

    def cosign(self, body: str, moment: int = WITNESSED) -> str:
        signed = struct.pack(">Q", moment) + self.key.sign(f"cosignature/v1\ntime {moment}\n{body}".encode())
        return f"— {self.name} {b64encode(self.vkey.id + signed).decode()}\n"


class Written:
    """A log as it is written: leaves, the values they commit to, and what passkeys signed."""

    def __init__(self, origin: str = ORIGIN, before: "Written | None" = None) -> None:
        """`before` is the log up to a restore, whose tree was another one."""
        self.origin, self.before = origin, before
        self.leaves: list[bytes] = []
        self.disclosures: list[Json] = []
        self.decisions: list[Json] = []
        self.enrolments: dict[str, int] = {}
        self.keys = [SigningKey.generate(origin)]
        self.witnesses = [Witness("witness.example/w1"), Witness("witness.example/w2")]

    def write(self, kind: str, subject: str = "thing", *, actor: Actor = REVIEWER, **entry: Any) -> int:
        index = len(self.leaves)
        commitments = [Commitment(path, value) for path, value in entry.pop("personal", {}).items()]
        said = Entry(kind=kind, subject=subject, actor=actor, team="team_one", **entry)
        self.leaves.append(build(said, log=LOG, identity=uuid7(), at=iso(AT + dt.timedelta(seconds=index)),
                                 writer=("web-1", index), commitments=commitments))  # fmt: skip
        self.disclosures += [{"index": index, "path": one.path, "salt": one.salt.hex(), "value": one.value}
                             for one in commitments]  # fmt: skip
        return index

    def rewrite(self, index: int, change: Callable[[Json], object]) -> None:
        """What a record tells, before the tree is made."""
        leaf = json.loads(self.leaves[index])
        change(leaf)
        self.leaves[index] = jcs(leaf)

    def id_of(self, index: int) -> str:
        return str(json.loads(self.leaves[index])["id"])

    def enrol(self, key: SoftAuthenticator, *, user: str = REVIEWER.id) -> str:
        passkey = new_id("pk")
        detail = {"user": user, "credential_id": hashlib.sha256(key.credential_id).hexdigest(),
                  "public_key": hashlib.sha256(key.public_key).hexdigest()}  # fmt: skip
        self.enrolments[passkey] = self.write(Kind.PASSKEY_ENROLLED, passkey, detail=detail)
        return passkey

    def reopen(self, people: Mapping[str, SoftAuthenticator]) -> int:
        """Leaf 0 of a tree after a restore from a backup that lacked nothing."""
        before = self.before or self
        size, root = len(before.leaves), before.tree().root().hex()
        told = {"before": before.origin, "size": size, "root": root, "present": before.origin, "present_size": size,
                "present_root": root}  # fmt: skip
        signatures = agreement({"after": self.origin, **told}, people, CONSOLE, RP_ID)
        return self.write(Kind.LOG_RESTORED, self.origin, actor=system("sequencer"),
                          detail={**told, "note": before.note(), "signatures": signatures})  # fmt: skip

    def decide(
        self, key: SoftAuthenticator | None = None, passkey: str = "", listed: Json | None = None, **changed: Any
    ) -> int:
        """With a passkey, or without with a password. `listed` are fields of the list, of two, that it is signed in
        and that differ from what they should be; None where it is signed by itself. `changed` is passed on to the
        authenticator."""
        payload = jcs({
            "v": 1, "team": "team_1", "review": "review_1", "action": "action_1", "decision": "approve",
            "reviewer": REVIEWER.id, "name": "Ada",
            "meaning": "I approve that exactly this is done.", "action_digest": "ab" * 32, "policy_digest": "cd" * 32,
            "nonce": f"{len(self.leaves):064x}",
        })  # fmt: skip
        said, challenge = json.loads(payload), hashlib.sha256(b"countersign/decision/v1\0" + payload).digest()
        level = "passkey" if key else "password"
        detail = {"review": "review_1", "of": "action_1", "action_digest": said["action_digest"],
                  "payload_digest": challenge.hex(), "meaning": said["meaning"], "passkey": passkey}  # fmt: skip
        entry: Json = {"payload": b64encode(payload).decode()}
        if listed is not None:
            document = {"v": 1, "type": "countersign.decisions", "team": "team_1", "reviewer": REVIEWER.id,
                        "decision": "approve", "count": 2, "decisions": [challenge.hex(), "ef" * 32]}  # fmt: skip
            whole = jcs(document | listed)
            challenge = hashlib.sha256(b"countersign/decision/v1\0" + whole).digest()
            detail["list_digest"], entry["listed"] = challenge.hex(), b64encode(whole).decode()
        decision = {"effect": "approve", "policy_digest": said["policy_digest"], "level": level}
        index = self.write(Kind.DECISION_MADE, new_id("decision"), detail=detail, decision=decision,
                           personal={"name": "Ada"})  # fmt: skip
        entry["index"] = index
        if key is None:
            self.decisions.append(entry | {"level": level})
            return index
        answer: Any = key.sign(challenge, **{"origin": CONSOLE, "rp_id": RP_ID} | changed)
        parts = {name: standard(answer["response"][theirs]) for name, theirs in
                 [("client_data_json", "clientDataJSON"), ("authenticator_data", "authenticatorData"),
                  ("signature", "signature")]}  # fmt: skip
        self.decisions.append(entry | parts | {"public_key": b64encode(key.public_key).decode(), "passkey": passkey,
                                               "origin": CONSOLE, "rp_id": RP_ID})  # fmt: skip
        return index

    def continued(self) -> "Written":
        """The same log, a few records later."""
        later = copy(self)
        later.leaves, later.disclosures = self.leaves[:], self.disclosures[:]
        for number in range(3):
            later.write(Kind.PAGE_READ, f"later page {number}")
        return later

    def tree(self) -> "Grown":
        return Grown().grow(map(leaf_hash, self.leaves))

    def note(self, size: int | None = None) -> str:
        size = len(self.leaves) if size is None else size
        body = checkpoint_body(self.origin, size, self.tree().root(size))
        return sign_note(body, self.keys) + "".join(one.cosign(body) for one in self.witnesses)

    @property
    def policy(self) -> str:
        witnesses = [f"witness w{number} {one.vkey}" for number, one in enumerate(self.witnesses, 1)]
        group = f"group both all {' '.join(f'w{number}' for number in range(1, len(self.witnesses) + 1))}"
        logs = [f"log {key.vkey}" for key in (*self.keys, *(self.before.keys if self.before else ()))]
        end = [group, "quorum both"] if witnesses else ["quorum none"]
        return "\n".join([*logs, *witnesses, *end]) + "\n"


class Grown:
    """A tree in tiles, as the sequencer grows it."""

    def __init__(self) -> None:
        self.size, self.tiles = 0, dict[Tile, bytes]()
        self.read = reader(self.tiles)

    def grow(self, hashes: Iterable[bytes]) -> "Grown":
        new = list(hashes)
        partial = {tile: self.tiles[tile] for tile in rightmost(self.size)}
        self.tiles |= extend(self.size, partial, new)
        self.read = reader(self.tiles)
        self.size += len(new)
        return self

    def root(self, size: int | None = None) -> bytes:
        return tree_root(self.size if size is None else size, self.read)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        return consistency_proof(old, self.size if new is None else new, self.read)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return inclusion_proof(index, size, self.read)

    def nodes(self, nodes: Iterable[Node]) -> list[bytes]:
        return list(map(self.read, nodes))


def agreement(statement: Json, people: Mapping[str, SoftAuthenticator], console: str, rp_id: str) -> list[Json]:
    """What leaf 0 of a tree holds that goes on after a restore: each signs the statement with a passkey."""
    found = []
    for reviewer, key in people.items():
        payload = jcs({"type": "countersign.restore", "reviewer": reviewer, **statement})
        answer: Any = key.sign(
            hashlib.sha256(b"countersign/restore/v1\0" + payload).digest(), origin=console, rp_id=rp_id
        )
        found.append({
            "payload": b64encode(payload).decode(), "client_data_json": standard(answer["response"]["clientDataJSON"]),
            "authenticator_data": standard(answer["response"]["authenticatorData"]),
            "signature": standard(answer["response"]["signature"]), "passkey": f"pk_{reviewer}",
            "public_key": b64encode(key.public_key).decode(), "origin": console, "rp_id": rp_id,
        })  # fmt: skip
    return found


def standard(text: str) -> str:
    """Of base64url without padding."""
    return b64encode(urlsafe_b64decode(text + "=" * (-len(text) % 4))).decode()


def a_log(alg: str = "ES256") -> Written:
    """About forty records, with two enrolled passkeys, three decisions, personal values, and one erasure."""
    log, key, other = Written(), SoftAuthenticator(alg), SoftAuthenticator(alg)
    log.write(Kind.LOG_OPENED, actor=system("sequencer"))
    passkey = log.enrol(key)
    log.enrol(other, user="user_grace")
    for number in range(12):
        log.write(
            Kind.PAGE_READ, f"page {number}", personal={"address": f"192.0.2.{number}"} if number % 3 == 0 else {}
        )
    log.decide(key, passkey)
    for number in range(12, 24):
        log.write(Kind.PAGE_READ, f"page {number}", detail={"word": "Überraschung ✓"})
    log.decide(key, passkey, listed={})
    log.decide()
    erased = log.write(Kind.USER_CREATED, "user_grace", personal={"name": "Grace", "username": "grace"})
    log.write(Kind.DISCLOSURE_ERASED, log.id_of(erased), detail={"paths": ["name", "username"]})
    log.disclosures = [one for one in log.disclosures if one["index"] != erased]
    for number in range(24, 30):
        log.write(Kind.PAGE_READ, f"page {number}")
    return log

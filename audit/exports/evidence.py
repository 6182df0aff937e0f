"""What stands beside leaves and proves more than they do: disclosed values, and the signatures of decisions.

The rooms that own decisions are above this one; they register what gives their signatures.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from audit import proofs, trees
from audit.exports.leaves import Disclosed
from audit.models import Export, Leaf, Record, Tree
from audit.vocabulary import Kind

# For a team and ids of its decisions: the id, and the fields of its line in decisions.jsonl.
Evidence = Callable[[str, Sequence[str]], Iterable[tuple[str, Mapping[str, object]]]]
_sources: list[Evidence] = []


def register_evidence(source: Evidence) -> None:
    if source not in _sources:
        _sources.append(source)


def disclosures(disclosed: Iterable[Disclosed]) -> Iterator[str]:
    """Lines of disclosures.jsonl. The value stays as the database spells it: sealed is its canonical form."""
    for one in disclosed:
        path = json.dumps(one.path)
        yield f'{{"index": {one.idx}, "path": {path}, "salt": "{one.salt.hex()}", "value": {one.value}}}\n'


def decisions(export: Export, made: Mapping[int, str]) -> Iterator[str]:
    """Lines of decisions.jsonl, without what depends on the checkpoint."""
    places = {identity: index for index, identity in made.items()}
    for source in _sources:
        found = {places[identity]: fields for identity, fields in source(export.team, list(places))}
        for index in sorted(found):
            yield json.dumps({"index": index, **found[index]}) + "\n"


class Enrolments:
    """Of passkeys, with their proofs in a tree of this size. A person's passkey may have been added in another of their
    teams: its record is told wherever they decided, because the decision rests on it."""

    def __init__(self, tree: Tree, size: int) -> None:
        self.tree, self.size = tree, size
        self.known: dict[str, Mapping[str, object] | None] = {}

    def complete(self, line: str) -> str:
        decision = json.loads(line)
        passkey = decision.get("passkey", "")
        if passkey and passkey not in self.known:
            self.known[passkey] = self._find(passkey)
        if passkey and self.known[passkey]:
            decision["enrolled"] = self.known[passkey]
        return json.dumps(decision) + "\n"

    def _find(self, passkey: str) -> Mapping[str, object] | None:
        record = Record.objects.of(passkey).filter(kind=Kind.PASSKEY_ENROLLED).order_by("at").first()
        if record is None:
            return None
        if found := proven(record, self.tree, self.size):
            return found
        for earlier in trees.all_trees().filter(number__lt=self.tree.number):  # before a restore
            checkpoint = trees.newest_checkpoint(earlier)
            if checkpoint and (found := proven(record, earlier, checkpoint.size)):
                return {**found, "checkpoint": checkpoint.note}
        return None


def proven(record: Record, tree: Tree, size: int) -> Mapping[str, object] | None:
    place = Leaf.objects.filter(tree=tree, record_id=record.pk, idx__lt=size).first()
    if place is None:
        return None
    proof = proofs.proof_lines(trees.inclusion_proof(tree, place.idx, size))
    return {"index": place.idx, "leaf": bytes(record.leaf).decode(), "proof": proof}

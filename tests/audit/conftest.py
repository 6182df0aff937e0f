"""A log with a tree over it: sequencer and signer by hand, in this process or as the real programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit import sequencer, trees
from audit.models import Pending, Tree
from audit.record import record
from audit.sequencer import Sequencer
from audit.signer import Refused, Signer, Store
from audit.signing import SignerClient, SignerRefused
from audit.trees import log_name
from audit.vocabulary import Kind
from console.core.actor import system


class SignerInProcess(SignerClient):
    """The signer's own code behind the client's methods: its refusals, and no socket."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.signer = Signer(Store(directory), log_name())

    def _ask(self, request: str) -> str:
        try:
            return self.signer.answer(request)
        except Refused as refusal:
            raise SignerRefused(str(refusal)) from refusal


@dataclass
class SignedLog:
    signer: SignerInProcess

    def write(self, count: int = 1, *, kind: Kind = Kind.PAGE_READ, team: str = "") -> None:
        for number in range(count):
            record(kind, subject=f"thing {number}", actor=system("tests", team), detail={"number": number})

    def sequence(self) -> Tree:
        """All that is pending, integrated and signed."""
        at_work = Sequencer(self.signer, heart=lambda _: None)
        at_work._round()
        while Pending.objects.exists():  # what the round itself had to tell
            at_work._round()
        tree = sequencer.current()
        assert trees.newest_checkpoint(tree) is not None
        return tree

    def sequence_in(self, batches: Sequence[int]) -> Tree:
        for count in batches:
            self.write(count)
            tree = self.sequence()
        return tree


@pytest.fixture
def signed_log(committed: str, tmp_path: Path) -> SignedLog:
    return SignedLog(SignerInProcess(tmp_path / "signer"))

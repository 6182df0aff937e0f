"""A log with a real signer beside it, people with passkeys, and backups of the database that are put back."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import connections

from audit import sequencer, trees
from audit.models import Tree, Waiting
from audit.record import record
from audit.sequencer import Sequencer
from audit.signing import SignerClient
from audit.vocabulary import Kind
from console.accounts.models import Team, User
from console.core.actor import system
from console.home.models import RestoreSignature
from console.home.processes import ROOT
from console.home.restore import agreed, prepare_restore, sign_restore
from tests.accounts.authenticator import SoftAuthenticator
from tests.accounts.conftest import acting
from tests.conftest import speaking_with
from tests.factories import PersonFactory, TeamFactory
from tests.services import services


@contextlib.contextmanager
def signer_process(directory: Path) -> Iterator[SignerClient]:
    """The program as it is started in production."""
    given = ["--log", trees.log_name(), "--state", str(directory / "signer"), "--socket", str(directory / "s")]
    process = subprocess.Popen([sys.executable, "-m", "audit.signer", "serve", *given], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("signing for")
        yield SignerClient(directory / "s")
    finally:
        process.kill()
        process.communicate()


@dataclass
class House:
    """`database` is the one that runs; backups are copies of it."""

    database: str
    signer: SignerClient
    people: dict[str, User] = field(default_factory=dict)
    keys: dict[str, SoftAuthenticator] = field(default_factory=dict)

    def furnish(self) -> None:
        team: Team = TeamFactory.create(slug="ours")
        for name, role in (("mira", "admin"), ("max", "admin"), ("theo", "auditor")):
            person: User = PersonFactory.create(username=name, name=name.title(), team=team, roles=(role,))
            self.people[name], self.keys[name] = person, SoftAuthenticator()
            self.keys[name].register(person, acting(person))

    def write(self, count: int) -> None:
        for number in range(count):
            record(Kind.PAGE_READ, subject=f"thing {number}", actor=system("tests"), detail={"number": number})

    def at_work(self) -> Sequencer:
        return Sequencer(self.signer, lambda _: None, agreed)

    def sequence(self) -> Tree:
        """All that waits, integrated and signed by the process. It goes on only from what was signed last."""
        working = self.at_work()
        assert working._begin(), Tree.objects.get(closed_at=None).problem
        working._round()
        while Waiting.objects.exists() or not self._all_signed():
            working._round()
        return sequencer.current()

    def _all_signed(self) -> bool:
        tree = sequencer.current()
        newest = trees.newest_checkpoint(tree)
        return newest is not None and newest.size == tree.size

    def goes_on(self) -> bool:
        """A fresh sequencer, as after a restart."""
        return self.at_work()._begin()

    def backup(self) -> str:
        connections.close_all()
        return services().clone(self.database)

    @contextlib.contextmanager
    def restored(self, backup: str) -> Iterator[str]:
        """The backup instead of the database. It stays a backup: what runs is a copy."""
        connections.close_all()
        running, self.database = self.database, services().clone(backup)
        with speaking_with(self.database):
            yield self.database
        services().drop(self.database)
        self.database = running

    def prepare(self, who: str, reason: str = "The disk was lost") -> dict[str, object]:
        return prepare_restore(reason, actor=acting(self.people[who]))

    def sign(self, who: str, reason: str = "The disk was lost") -> RestoreSignature:
        told = self.prepare(who, reason)
        answer = self.keys[who].sign_options(told["options"])
        return sign_restore(str(told["prepared"]), answer, actor=acting(self.people[who]))


@pytest.fixture
def house(committed: str, tmp_path: Path) -> Iterator[House]:
    with signer_process(tmp_path) as signer:
        house = House(committed, signer)
        house.furnish()
        yield house


@pytest.fixture
def broken(house: House) -> Iterator[House]:
    """After the backup 30 records were written and signed; then it was put back."""
    house.write(20)
    house.sequence()
    backup = house.backup()
    house.write(30)
    house.sequence()
    with house.restored(backup):
        assert not house.goes_on()
        yield house

"""The examples for frameworks, with the frameworks themselves, as programs that are killed while people decide."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from approvals.models import Action
from examples.environments import CHECKOUT
from examples.frameworks import prepare
from tests.gateway.conftest import Asking
from tests.gateway.test_permissions import permitting
from tests.gateway.test_survival import stack
from tests.stack import Stack, wait_until

__all__ = ["permitting", "stack"]

WHY = "The customer has been paid by cheque."


class Program:
    """One of the examples; each start is a process of its own, with what the last one left in files."""

    def __init__(self, asking: Asking, directory: Path, module: str, wish: str, *files: str) -> None:
        where = ["--console", settings.ORIGIN, *files]
        self.command = [str(prepare(directory)), "-m", f"examples.{module}.agent", *where, wish]
        self.environment = {"AGENT_TOKEN": asking.secret, "PATH": os.environ["PATH"], "HOME": str(directory)}
        self.output = directory / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self.command, cwd=CHECKOUT, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )

    def said(self) -> list[str]:
        return self.output.read_text().splitlines()

    def until_held(self) -> str:
        wait_until(lambda: self.said() or self.ended(), "the program says that it is held")
        assert [line.split()[0] for line in self.said()] == ["held"], self.said()
        return self.said()[0].split()[1]

    def ended(self) -> bool:
        assert self.process
        return self.process.poll() is not None

    def until_over(self) -> list[str]:
        wait_until(self.ended, "the program ends")
        return self.said()

    def kill(self) -> None:
        if self.process and not self.ended():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)


@pytest.fixture
def refunding(asking: Asking, stack: Stack, tmp_path: Path) -> Iterator[Program]:
    stack.start("web", "door", "beat")
    wish = f'{{"charge": "{asking.world.seeded.pair("large").later}", "amount": 48000}}'
    files = ["--checkpoints", str(tmp_path / "checkpoints.sqlite"), "--thread", "t1"]
    program = Program(asking, tmp_path, "langgraph", wish, *files)
    yield program
    program.kill()


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note.txt"


@pytest.fixture
def writing(permitting: Asking, stack: Stack, tmp_path: Path, note: Path) -> Iterator[Program]:
    stack.start("web", "door", "beat")
    wish = f'{{"file_path": "{note}", "content": "Hello"}}'
    program = Program(permitting, tmp_path, "openai_agents", wish, "--kept", str(tmp_path / "kept.json"), "--run", "r1")
    yield program
    program.kill()


def test_a_graph_is_paused_while_people_decide_and_goes_on_in_another_process(
    asking: Asking, refunding: Program
) -> None:
    refunding.start()
    held = refunding.until_held()
    refunding.kill()
    asking.world.sign(asking.action().reviews.get())
    wait_until(lambda: asking.action().settled, "it is done while no agent is there")
    refunding.start()
    first, last = refunding.until_over()
    assert (first, asking.action().pk) == (f"held {held}", held)
    assert last.startswith('I was told: {"id": "re_')
    assert len(asking.world.refunds()) == 1
    refunding.start()
    assert refunding.until_over() == [last]
    assert len(asking.world.refunds()) == 1


@pytest.mark.long
def test_a_graph_is_told_of_a_refusal_and_not_to_try_again(asking: Asking, refunding: Program) -> None:
    refunding.start()
    held = refunding.until_held()
    asking.world.sign(asking.action().reviews.get(), verdict="refuse", reason=WHY)
    told = f"I was told: Not done (refused, refused): {WHY} Do not try it again."
    assert refunding.until_over() == [f"held {held}", told]
    assert asking.world.refunds() == []


def test_an_approval_outlives_the_process_that_asked_for_it(permitting: Asking, writing: Program, note: Path) -> None:
    writing.start()
    held = writing.until_held()
    writing.kill()
    permitting.world.sign(permitting.action().reviews.get(), "sam")
    wait_until(lambda: permitting.action().settled, "it is permitted while no agent is there")
    assert not note.exists()
    writing.start()
    assert writing.until_over() == [f"succeeded {held}", "I was told: Written."]
    assert (note.read_text(), Action.objects.count()) == ("Hello", 1)


@pytest.mark.long
def test_what_is_refused_is_not_run(permitting: Asking, writing: Program, note: Path) -> None:
    writing.start()
    held = writing.until_held()
    permitting.world.sign(permitting.action().reviews.get(), "sam", "refuse", WHY)
    told = f"I was told: Not done (refused, refused): {WHY} Do not try it again."
    assert writing.until_over() == [f"held {held}", told]
    assert not note.exists()


def test_what_was_edited_after_it_was_signed_is_not_run(
    permitting: Asking, writing: Program, note: Path, tmp_path: Path
) -> None:
    writing.start()
    writing.until_held()
    writing.kill()
    permitting.world.sign(permitting.action().reviews.get(), "sam")
    wait_until(lambda: permitting.action().settled, "it is permitted")
    kept = tmp_path / "kept.json"
    kept.write_text(kept.read_text().replace("Hello", "Farewell"))
    writing.start()
    assert "422" in writing.until_over()[-2]
    assert (note.exists(), Action.objects.count()) == (False, 1)

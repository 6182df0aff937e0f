"""The door's key changes while everything goes on, and a door with the wrong keys does not start."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from approvals.models import Review
from audit.models import Record
from console.core import door_keys
from console.core.actor import system
from console.core.attest import verify
from console.core.door_keys import KeyMissing
from console.core.sealing import SUITE, Sealed, seal, unseal
from console.home.processes import ROOT, Process, command
from examples.demo.people import acting
from integrations.describe import revoke_credential, store_credential
from integrations.door_key import offer_wrapping, under_earlier_keys, why_not_fit, wrap_credentials
from integrations.models import Credential, Integration, WebhookSecret
from tests.hooks import Sender, make_hook
from tests.services import services
from tests.spine.conftest import World
from tests.stack import Stack, wait_until
from tests.standins.vault import TOKEN, transit

DOOR = system("door")


@pytest.fixture
def keys(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Key files of one's own, to be rotated; and a door that has opened none yet."""
    monkeypatch.setattr(door_keys, "_opened", {})
    for name in ("door_key", "door_public"):
        shutil.copy(services().state / "keys" / name, tmp_path / name)
        setattr(settings, f"{name.upper()}_FILE", str(tmp_path / name))
    return tmp_path


def lines(file: Path) -> list[str]:
    return file.read_text().split()


def told(kind: str) -> list[tuple[str, Mapping[str, object]]]:
    """Subject and detail of each record of this kind."""
    found = Record.objects.filter(kind=kind).order_by("at").values_list("subject", "leaf")
    return [(subject, json.loads(bytes(leaf))["detail"]) for subject, leaf in found]


def run(*arguments: str) -> None:
    call_command("door_key", *arguments)


def test_a_rotation_changes_only_how_data_keys_are_wrapped(world: World, keys: Path) -> None:
    before, first = Credential.objects.get(), door_keys.sealing_key_id()
    run("rotate")
    second = door_keys.sealing_key_id()
    assert [key.id for key in door_keys.held()] == [second, first]
    assert second != first

    with pytest.raises(CommandError, match="1 secret"):
        run("retire", first)
    assert (offer_wrapping(), wrap_credentials(actor=DOOR), offer_wrapping()) == (1, 1, 0)
    after = Credential.objects.get()
    assert (after.door_key, bytes(after.sealed)) == (second, bytes(before.sealed))
    assert bytes(after.wrapped) != bytes(before.wrapped)
    verify("credential", after.attested(), after.attestation)

    run("retire", first)
    assert [key.id for key in door_keys.held()] == [second]
    assert told("integrations:door_key:added") == [(second, {"before": first, "kept_by": "itself"})]
    moved = {"integration": after.integration_id, "from": first, "to": second}
    assert told("integrations:credential:wrapped") == [(after.id, moved)]
    assert told("integrations:door_key:retired") == [(first, {})]

    world.begin()
    world.settle()
    world.sign(world.review(large=True))
    world.settle()
    assert len(world.refunds("large")) == 1


def test_the_secrets_of_webhooks_are_wrapped_anew_as_well(world: World, keys: Path) -> None:
    sender, first = Sender(make_hook()), door_keys.sealing_key_id()
    run("rotate")
    with pytest.raises(CommandError, match="2 secret"):
        run("retire", first)
    assert (offer_wrapping(), wrap_credentials(actor=DOOR), offer_wrapping()) == (2, 2, 0)
    secret = WebhookSecret.objects.get()
    verify("webhook secret", secret.attested(), secret.attestation)
    moved = {"webhook": secret.webhook_id, "from": first, "to": door_keys.sealing_key_id()}
    assert told("integrations:webhook_secret:wrapped") == [(secret.id, moved)]
    run("retire", first)
    assert sender.told("after").outcome == "verified"


def test_what_a_door_read_before_a_rotation_it_still_sends_after_the_retirement(world: World, keys: Path) -> None:
    loaded, first = Credential.objects.get(), door_keys.sealing_key_id()
    unseal(loaded.seal)
    run("rotate")
    wrap_credentials(actor=DOOR)
    run("retire", first)
    assert unseal(loaded.seal) == unseal(Credential.objects.get().seal)


def test_a_running_door_finds_a_key_that_was_added(keys: Path) -> None:
    sealed = seal("first", place="here")
    unseal(sealed)
    other = door_keys.new_key()
    (keys / "door_public").write_text(other.public)
    late = seal("second", place="here")
    with pytest.raises(KeyMissing):
        unseal(late)
    (keys / "door_key").write_text(f"{other.line}\n{(keys / 'door_key').read_text()}")
    assert (unseal(late), unseal(sealed)) == ("second", "first")


def test_the_key_in_use_is_not_retired_and_neither_is_one_that_nobody_holds(world: World, keys: Path) -> None:
    with pytest.raises(CommandError, match="rotate first"):
        run("retire", door_keys.sealing_key_id())
    with pytest.raises(CommandError, match="holds no key"):
        run("retire", "0" * 16)
    assert len(lines(keys / "door_key")) == 1


def test_a_revoked_credential_and_one_of_before_data_keys(world: World, committed: str, keys: Path) -> None:
    """The first needs no key. The second needs the key that it was sealed to, until somebody seals it anew."""
    first = door_keys.sealing_key_id()
    old = Credential.objects.get()
    content = SUITE.encrypt(b"sk_test_before", door_keys.sealing_key(), info=old.place.encode())
    with services().superuser(committed) as connection:
        connection.execute("UPDATE integrations_credential SET sealed = %s, wrapped = ''", [content])
    assert unseal(Sealed(old.place, first, content, b"")) == "sk_test_before"
    run("rotate")
    assert list(under_earlier_keys()) == []
    with pytest.raises(CommandError, match="sealed anew"):
        run("retire", first)
    revoke_credential(old, actor=acting("mira"))
    run("retire", first)
    assert list(why_not_fit()) == []


def test_what_cannot_be_opened_keeps_none_of_the_others_back(
    world: World, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = Credential.objects.get()
    bad = store_credential(Integration.objects.get(), name="broken", secret="sk_broken_1", actor=acting("mira"))
    Credential.objects.filter(pk=bad.pk).update(wrapped=bytes(80))
    run("rotate")
    assert wrap_credentials(actor=DOOR) == 1
    assert [identity for _, identity in under_earlier_keys()] == [bad.id]
    assert [bad.id in message for message in caplog.messages] == [True]
    assert Credential.objects.get(pk=good.pk).door_key == door_keys.sealing_key_id()


class Keyed(Stack):
    """Its processes have these key files instead of everybody's."""

    keys: Path

    def environment(self, process: Process) -> dict[str, str]:
        ours = super().environment(process)
        for name in ("door_key", "door_public"):
            if (variable := f"COUNTERSIGN_{name.upper()}_FILE") in ours:
                ours[variable] = str(self.keys / name)
        return ours


@pytest.fixture
def stack(committed: str, tmp_path: Path, keys: Path) -> Any:
    running = Keyed(committed, tmp_path)
    running.keys = keys
    yield running
    running.stop()


def start_in_vain(stack: Stack) -> tuple[int, str]:
    done = subprocess.run(command("door", 0, stack.directory), env=stack.environment("door"), cwd=ROOT,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    return done.returncode, done.stderr


def test_a_door_with_another_key_refuses_to_start_and_says_what_to_do(world: World, stack: Keyed, keys: Path) -> None:
    first, other = door_keys.sealing_key_id(), door_keys.new_key()
    kept = (keys / "door_key").read_text()
    (keys / "door_key").write_text(other.line)
    assert start_in_vain(stack) == (1, (
        f"This door does not hold the key {first}, to which new credentials are sealed: give it the private half of the"
        " public key that web has, or give web the public half of this door's newest key.\n"
    ))  # fmt: skip
    (keys / "door_public").write_text(other.public)
    assert start_in_vain(stack) == (1, (
        f"This door does not hold the key {first}, to which 1 secret(s) are sealed: put it back among its keys from"
        " your backup; if it is lost, revoke these credentials, or end these webhooks, and seal them anew.\n"
    ))  # fmt: skip
    (keys / "door_key").write_text("nonsense")
    assert start_in_vain(stack) == (1, "A line among the door's keys is no key.\n")
    (keys / "door_key").unlink()
    code, said = start_in_vain(stack)
    assert (code, said.partition(".")[0]) == (1, "This door cannot tell whether its keys open what is stored")
    (keys / "door_key").write_text(f"{other.line}\n{kept}")
    stack.start("door")


def test_a_rotation_gives_the_next_key_to_whoever_kept_the_one_before(
    world: World, stack: Keyed, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a door whose service is away refuses to start, as it has no keys."""
    with transit("countersign") as address:
        stack.extra |= {"VAULT_ADDR": address, "VAULT_TOKEN": TOKEN}
        for name, value in stack.extra.items():
            monkeypatch.setenv(name, value)
        run("rotate", "--keep", "vault:transit/countersign")
        run("rotate")
        assert [key.kept_by for key in door_keys.held()] == ["vault:transit/countersign"] * 2 + ["itself"]
        stack.start("door")
        stack.kill("door")
    code, said = start_in_vain(stack)
    sentence = (
        "A key of the door cannot be opened by the service that keeps it. Vault or OpenBao, transit/countersign: "
    )
    assert (code, said[: len(sentence)]) == (1, sentence)


def test_real_processes_go_on_through_a_rotation(world: World, stack: Keyed, keys: Path) -> None:
    stack.start("door", "beat", "worker")
    world.begin()
    first = door_keys.sealing_key_id()
    run("rotate")
    wait_until(lambda: not under_earlier_keys(), f"the door wraps what there is: {stack.tail('door')}")
    run("retire", first)
    wait_until(
        lambda: Review.objects.filter(state="open").count() == 2,
        "both refunds are held, after reads with the credential",
    )
    world.sign(world.review(large=True))
    wait_until(lambda: len(world.refunds("large")) == 1, "the refund is made")

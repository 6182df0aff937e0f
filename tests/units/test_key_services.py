"""Whoever keeps the door's keys: the same is asked of each."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from console.core import door_keys
from console.core.door_keys import ITSELF, KeyMissing
from console.core.key_services import ServiceFailed
from console.core.sealing import seal, unseal
from examples.standins.launcher import free_port
from tests.audit.peers import object_store
from tests.standins.vault import TOKEN, transit

AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "of-the-door", "AWS_REGION": "eu-central-1",
       "AWS_DEFAULT_REGION": "eu-central-1"}  # fmt: skip


@dataclass
class Keeper:
    """`kept_by` as `door_key rotate --keep` takes it; `environment` as the door has it."""

    kept_by: str
    environment: dict[str, str]
    address: str = ""  # the variable that names where it is; "" for what needs no service


@pytest.fixture(scope="module")
def vault() -> Iterator[Keeper]:
    with transit("countersign") as address:
        yield Keeper("vault:transit/countersign", {"VAULT_ADDR": address, "VAULT_TOKEN": TOKEN}, "VAULT_ADDR")


@pytest.fixture(scope="module")
def aws_kms() -> Iterator[Keeper]:
    with object_store() as address, pytest.MonkeyPatch.context() as shell:
        for name, value in {**AWS, "AWS_ENDPOINT_URL": address}.items():
            shell.setenv(name, value)
        made = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
        boto3.client("kms").create_alias(AliasName="alias/countersign", TargetKeyId=made)
        yield Keeper("aws-kms:alias/countersign", {**AWS, "AWS_ENDPOINT_URL": address}, "AWS_ENDPOINT_URL")


@pytest.fixture(scope="module")
def itself() -> Keeper:
    return Keeper(ITSELF, {})


@pytest.fixture(params=["itself", "vault", "aws_kms"])
def keeper(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    found: Keeper = request.getfixturevalue(request.param)
    monkeypatch.setattr(door_keys, "_opened", {})
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture(params=["vault", "aws_kms"])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    found: Keeper = request.getfixturevalue(request.param)
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture(params=["file", "variable"])
def given(request: pytest.FixtureRequest, tmp_path: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives these lines to the door, as a file or as a variable."""

    def give(*lines: str) -> None:
        monkeypatch.setattr(door_keys, "_opened", {})  # as a door that starts
        text = "".join(f"{line}\n" for line in lines)
        settings.DOOR_KEY, settings.DOOR_KEY_FILE = (text, "") if request.param == "variable" else ("", f"{tmp_path}/k")
        (tmp_path / "k").write_text(text)

    return give


@pytest.fixture
def sealing_to(tmp_path: Any, settings: Any) -> Any:
    def choose(key: door_keys.DoorKey) -> None:
        (tmp_path / "public").write_text(key.public)
        settings.DOOR_PUBLIC_FILE = str(tmp_path / "public")

    return choose


def test_a_key_that_is_kept_comes_back(keeper: Keeper, given: Any, sealing_to: Any) -> None:
    first, second = door_keys.new_key(keeper.kept_by), door_keys.new_key()
    sealing_to(first)
    sealed = seal("of the first", place="here")
    given(second.line, first.line)
    assert [key.id for key in door_keys.held()] == [second.id, first.id]
    assert [key.kept_by for key in door_keys.held()] == [ITSELF, keeper.kept_by]
    assert unseal(sealed) == "of the first"


def test_what_is_stored_tells_nothing_where_a_service_keeps_it(keeper: Keeper) -> None:
    key = door_keys.new_key(keeper.kept_by)
    raw = key.private.private_bytes_raw()
    forms = [door_keys.encode(raw), b64encode(raw).decode(), raw.hex()]
    assert any(form in key.line for form in forms) is (keeper.kept_by == ITSELF)
    assert all(form not in repr(key) for form in [*forms, key.line])


def test_a_line_that_was_altered_opens_nothing(keeper: Keeper, given: Any) -> None:
    line = door_keys.new_key(keeper.kept_by).line
    given(line[:-8])
    with pytest.raises(KeyMissing, match="key"):
        door_keys.held()


def test_a_service_that_is_away_is_told_of_in_one_sentence(
    service: Keeper, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = door_keys.new_key(service.kept_by).line
    monkeypatch.setenv(service.address, f"http://127.0.0.1:{free_port()}")
    given(line)
    with pytest.raises(KeyMissing) as told:
        door_keys.held()
    sentence = r"A key of the door cannot be opened by the service that keeps it\. [^\n]+"
    assert re.fullmatch(sentence, str(told.value))
    with pytest.raises(ServiceFailed):
        door_keys.new_key(service.kept_by)


def test_a_running_door_asks_a_service_once(service: Keeper, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given(door_keys.new_key(service.kept_by).line)
    door_keys.held()
    monkeypatch.setenv(service.address, f"http://127.0.0.1:{free_port()}")
    assert len(door_keys.held()) == 1


@pytest.mark.parametrize("kept_by", ["nobody:key", "vault:transit/other", "aws-kms:alias/other"])
def test_a_key_that_no_service_knows_is_refused(kept_by: str, vault: Keeper, aws_kms: Keeper,
                                                monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for name, value in {**vault.environment, **aws_kms.environment}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ServiceFailed):
        door_keys.new_key(kept_by)


def test_a_token_that_is_wrong_opens_nothing(vault: Keeper, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", vault.environment["VAULT_ADDR"])
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    line = door_keys.new_key(vault.kept_by).line
    monkeypatch.setenv("VAULT_TOKEN", "another")
    given(line)
    with pytest.raises(KeyMissing, match="permission denied"):
        door_keys.held()


def test_what_was_kept_for_another_purpose_is_not_taken(aws_kms: Keeper, given: Any,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Somebody else's secret under the same key of the service is no key of the door."""
    for name, value in aws_kms.environment.items():
        monkeypatch.setenv(name, value)
    raw = door_keys.new_key().private.private_bytes_raw()
    other = boto3.client("kms").encrypt(KeyId="alias/countersign", Plaintext=raw)["CiphertextBlob"]
    given(f"aws-kms alias/countersign {b64encode(other).decode()}")
    with pytest.raises(KeyMissing):
        door_keys.held()

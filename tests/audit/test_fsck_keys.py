"""What fsck believes of keys: those that are given, and what the signer says itself, before what the tables tell."""

from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from audit import fsck
from audit.models import LogKey, Tree
from audit.note import ED25519, SigningKey
from audit.signer import retire, rotate
from audit.verify import VKey
from tests.audit.conftest import Adversary, SignedLog
from tests.audit.restoring import House, house

__all__ = ["house"]


def test_a_key_of_a_tree_that_is_not_here(signed_log: SignedLog, adversary: Adversary) -> None:
    other = SigningKey.generate("elsewhere.example/1")
    said = ["A key of elsewhere.example/1 was given, and there is no such tree here"]
    assert fsck.check([VKey.parse(other.vkey)]).findings == said


def test_a_key_that_ended_signs_nothing_more(signed_log: SignedLog, adversary: Adversary) -> None:
    tree, key = Tree.objects.get(), LogKey.objects.get()
    signer = signed_log.signer.signer
    rotate(signer.store, tree.origin, ED25519)
    signed_log.sequence_in([3])
    retire(signer.store, tree.origin, VKey.parse(key.vkey).id.hex())
    signed_log.sequence_in([3, 3])
    kept = [VKey.parse(vkey) for vkey in LogKey.objects.values_list("vkey", flat=True)]
    assert [fsck.check().findings, fsck.check(kept, signed_log.signer).findings] == [[], []]
    short, ended = f"{tree}+{VKey.parse(key.vkey).id.hex()}", LogKey.objects.get(vkey=key.vkey).until
    adversary.sql.execute("UPDATE audit_logkey SET until = 5 WHERE until IS NOT NULL")
    assert fsck.check().findings[:2] == [
        f"No record tells that the key {short} ends at 5 leaves of {tree}",
        f"A record tells that the key {short} ends at {ended} leaves of {tree}; no row does",
    ]
    assert fsck.check().findings[-1].endswith("It is signed only by keys that had ended before.")


def test_what_the_signer_remembers_is_compared(signed_log: SignedLog, adversary: Adversary) -> None:
    """Where they deleted the checkpoints and what was signed, nothing in the tables tells."""
    tree = Tree.objects.get()
    adversary.edit_leaf(20)
    adversary.derive()
    adversary.sql.execute("DELETE FROM audit_checkpoint")
    assert fsck.check(signer=signed_log.signer).findings == [
        f"The signer has signed another root of {tree.size} leaves of {tree}"
    ]
    adversary.delete_tail(500)
    assert fsck.check(signer=signed_log.signer).findings == [
        f"The signer has signed {tree.size} leaves of {tree}, and there are 500"
    ]


def test_the_command_takes_keys_and_asks_the_signer(house: House, settings: LazySettings, tmp_path: Path) -> None:
    def said(*arguments: str) -> list[str]:
        written = StringIO()
        call_command("fsck", *arguments, stdout=written)
        return [line for line in written.getvalue().splitlines() if line.startswith(("keys", "signer"))]

    house.sequence()
    key = LogKey.objects.get()
    assert said() == [f"keys           not pinned, give them by --key: of {key.tree}", "signer         not asked"]
    settings.SIGNER_SOCKET = str(house.signer.path)
    assert said("--key", key.vkey) == ["keys           as they were given", "signer         asked"]
    settings.SIGNER_SOCKET = str(tmp_path / "nobody")
    assert said()[1].startswith("signer         not asked: The signer does not answer")
    with pytest.raises(CommandError, match="does not fit together"):
        said("--key", SigningKey.generate(key.tree.origin).vkey)
    with pytest.raises(CommandError, match="is not a verifier key"):
        said("--key", "x")

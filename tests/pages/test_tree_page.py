"""The tree as auditors and admins see it."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from audit import anchors, standing
from audit.models import Checkpoint, Cosignature, LogKey, Outlet, Record, Tree
from audit.outlets import Anchoring, step
from audit.sequencer import tell_problem
from audit.vocabulary import Kind
from console.accounts.models import Team
from console.core.clock import now
from tests.audit.conftest import SignedLog, SignerInProcess
from tests.pages.conftest import Enter


@pytest.fixture
def log(office: Team, tmp_path: Path) -> SignedLog:
    return SignedLog(SignerInProcess(tmp_path / "signer"))


@pytest.fixture
def theo(office: Team, enter: Enter) -> Client:
    return enter("theo")


def text(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined, no-any-return]


def test_before_the_first_start_it_says_how_to_get_a_tree(theo: Client) -> None:
    page = text(theo.get("/audit/tree/"))
    assert "No tree yet" in page
    assert "python3 manage.py up" in page


def test_checkpoints_with_whoever_vouches_for_them(theo: Client, log: SignedLog, tmp_path: Path) -> None:
    tree = log.sequence_in([30])
    step(Anchoring("notary", anchors.build({"kind": "file", "path": str(tmp_path / "anchored")})))
    newest = Checkpoint.objects.order_by("-size")[0]
    Cosignature.objects.create(tree=tree, size=newest.size, witness="witness.example/w1", line="—", at=now())
    page = text(theo.get("/audit/tree/"))
    assert bytes(newest.root).hex() in page
    assert '<span class="tag good" title="cosigned">witness.example/w1</span>' in page
    assert LogKey.objects.get().vkey in page
    assert f"<b>{tree.size:,}</b>" in page


def test_it_pages_by_size(theo: Client, log: SignedLog) -> None:
    log.sequence_in([1] * 28)
    first = text(theo.get("/audit/tree/"))
    sizes = list(Checkpoint.objects.order_by("-size").values_list("size", flat=True))
    assert f'href="?before={sizes[24]}"' in first
    second = text(theo.get(f"/audit/tree/?before={sizes[24]}"))
    assert f'class="num">{sizes[25]}<' in second
    assert "This is where it begins." in second
    assert theo.get("/audit/tree/?before=rubbish").status_code == 422


def test_a_problem_is_said_first(theo: Client, log: SignedLog) -> None:
    log.sequence()
    tell_problem("The signer does not answer (Connection refused).")
    for address in ("/audit/", "/audit/tree/"):
        page = text(theo.get(address))
        assert "No tree is being signed." in page
        assert "The signer does not answer (Connection refused)." in page


def test_a_failing_outlet_says_why(theo: Client, log: SignedLog) -> None:
    log.sequence()
    Outlet.objects.create(name="notary", kind="file", failing_since=now(), error="No space <left>")
    page = text(theo.get("/audit/tree/"))
    assert "No space &lt;left&gt;" in page
    assert "Failing since" in page


def test_waiting_risky_actions_are_said(
    theo: Client, log: SignedLog, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "REMEMBERED", 0.0)
    settings.MAX_UNANCHORED = 1e-6
    log.sequence()
    assert "Risky actions wait." in text(theo.get("/audit/tree/"))


def test_looking_is_recorded(theo: Client, log: SignedLog) -> None:
    theo.get("/audit/tree/")
    theo.get("/audit/tree/")
    assert Record.objects.filter(kind=Kind.PAGE_READ, leaf__isnull=False).count() == 1
    assert not Tree.objects.exists()

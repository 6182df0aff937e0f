"""What is risky waits while nobody outside has seen the log for too long, and goes on by itself."""

import pytest
from django.conf import LazySettings

from approvals.models import Action
from audit import standing
from tests.spine.conftest import World


@pytest.fixture(autouse=True)
def limited(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No sequencer runs here, so nobody outside can have seen anything."""
    monkeypatch.setattr(standing, "REMEMBERED", 0.0)
    settings.MAX_UNANCHORED = 600.0


def test_a_signed_refund_waits_and_then_is_sent_once(held: World, settings: LazySettings) -> None:
    review = held.review(large=True)
    held.sign(review)
    held.settle()
    assert Action.objects.get(pk=review.action_id).state == "permitted"
    assert held.refunds() == []
    settings.MAX_UNANCHORED = 0.0
    held.settle()
    assert Action.objects.get(pk=review.action_id).state == "succeeded"
    assert len(held.refunds()) == 1


def test_what_only_reads_does_not_wait(world: World) -> None:
    world.begin()
    world.settle()
    assert Action.objects.filter(state="succeeded", operation__effect="read").exists()

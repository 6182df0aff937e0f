"""What is risky waits while nobody outside has seen the log for too long, and goes on by itself."""

import pytest

from approvals import execute
from approvals.models import Action
from tests.spine.conftest import World


def test_a_signed_refund_waits_and_then_is_sent_once(held: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "why_risky_actions_wait", lambda: "nobody outside knows")
    review = held.review(large=True)
    held.sign(review)
    held.settle()
    assert Action.objects.get(pk=review.action_id).state == "permitted"
    assert held.refunds() == []
    monkeypatch.undo()
    held.settle()
    assert Action.objects.get(pk=review.action_id).state == "succeeded"
    assert len(held.refunds()) == 1


def test_what_only_reads_does_not_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "why_risky_actions_wait", lambda: "nobody outside knows")
    world.begin()
    world.settle()
    assert Action.objects.filter(state="succeeded", operation__effect="read").exists()

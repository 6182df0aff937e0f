"""Doors that drive, die and are thought dead, a failing other side, time, people and second thoughts, in any order."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from approvals.models import Review
from approvals.tasks import drive
from approvals.withdraw import WITHDRAWABLE, withdraw_action
from tests.crash.lines import Stop
from tests.crash.place import Place
from tests.crash.test_matrix import FAULTS, MODES

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
OPERATIONS = [
    *(f"{mode}{variant}" for mode in (*MODES, "merging", "conditional_body", "delete") for variant in ("", "_blind")),
    *(f"{mode}_reviewed_blind" for mode in ("native_key", "client_id", "set_semantics")),
]
VERDICTS = st.sampled_from(["approve", "approve", "approve", "refuse"])
LINES = st.one_of(st.integers(1, 300), st.integers(300, 2_000))


class Life(RuleBasedStateMachine):
    """Of one action, from its proposal on."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    @initialize(
        operation=st.sampled_from(OPERATIONS),
        permitted=st.sampled_from([True, True, False]),
        fault=st.sampled_from(sorted(FAULTS)),
    )
    def is_proposed(self, operation: str, permitted: bool, fault: str) -> None:
        """Mostly on to where it matters: with a permit, and a failure before it."""
        self.action = self.place.permitted(operation) if permitted else self.place.propose(operation)
        self.place.upstream.plan(*FAULTS[fault]())

    @rule()
    def is_driven(self) -> None:
        drive(self.action.id)

    @rule(line=LINES)
    def is_driven_to_death(self, line: int) -> None:
        self.place.dies_at(Stop("", line), lambda: drive(self.action.id))

    @rule()
    def the_door_is_thought_dead(self) -> None:
        self.place.doors.replaced()

    @rule(fault=st.sampled_from(sorted(FAULTS)))
    def the_other_side_will_fail(self, fault: str) -> None:
        self.place.upstream.plan(*FAULTS[fault]())

    @rule()
    def the_other_side_works_again(self) -> None:
        self.place.upstream.work_again()

    @rule()
    def time_passes(self) -> None:
        self.place.pass_time()

    @precondition(lambda self: self.action.state == "held")
    @rule(verdict=VERDICTS)
    def somebody_decides(self, verdict: str) -> None:
        self.place.sign(self.action, verdict)

    @precondition(lambda self: self.asked)
    @rule()
    def somebody_looks_and_answers(self) -> None:
        self.place.answer_truthfully(self.action)

    @precondition(lambda self: self.action.state in WITHDRAWABLE)
    @rule()
    def it_is_taken_back(self) -> None:
        with transaction.atomic():
            withdraw_action(self.action.id, actor=self.place.team.operator)

    @property
    def asked(self) -> bool:
        return Review.objects.filter(action=self.action, kind="doubt", state="open").exists()

    @invariant()
    def there_is_one_effect_at_most(self) -> None:
        self.place.check_so_far(self.action)
        if self.action.settled:
            self.place.upstream.catch_up()
            self.place.check_end(self.action)

    def teardown(self) -> None:
        """Whatever happened, it comes to an end, and the end is true."""
        if not hasattr(self, "action"):
            return
        drive(self.action.id)
        self.action.refresh_from_db()
        if self.action.state == "held":
            self.place.sign(self.action, "approve")
        drive(self.action.id)
        self.place.upstream.work_again()
        self.place.check_end(self.place.recover(self.action))


@pytest.mark.parametrize("examples", [40, pytest.param(600, marks=pytest.mark.long)])
def test_no_order_of_events_makes_two_effects_or_loses_one(place: Place, examples: int) -> None:
    run_state_machine_as_test(
        lambda: Life(place),  # type: ignore[arg-type]  # whatever makes one will do
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # explaining traces lines, as we do
        ),
    )

from tests.spine.conftest import *
from tests.spine.conftest import world, standin, running_standin, proxy
from console.runs.models import Step
from approvals.models import Action
def test_x(world):
    from tests.access.conftest import start
    r = start("cancel-subscription", "jonas", subscription=world.seeded.subscriptions["studio"], reason="moved")
    world.settle()
    for s in Step.objects.filter(run=r): print(s.name, s.state, s.error)
    for a in Action.objects.all(): print(a.operation_id, a.state, a.outcome)

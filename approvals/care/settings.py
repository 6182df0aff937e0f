"""What a team does to keep those who sign awake, as its admins set it."""

from django.db import transaction

from approvals.models import CareSetting
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Invalid

MOST_SAMPLES, MOST_AN_HOUR, FEWEST_APART = 200, 1_000, 5


@transaction.atomic
def set_care(*, samples: int, most_an_hour: int, drill_every: int, actor: Actor) -> None:
    """How many are drawn a day, how many one person decides within an hour, and after about how many there is a drill;
    0 is none, or no end."""
    actor.require(Role.ADMIN)
    if not 0 <= samples <= MOST_SAMPLES:
        raise Invalid(f"A day has 0 to {MOST_SAMPLES} samples.")
    if not 0 <= most_an_hour <= MOST_AN_HOUR:
        raise Invalid(f"Within an hour one person decides 0 to {MOST_AN_HOUR:,}.")
    if not (drill_every == 0 or FEWEST_APART <= drill_every <= MOST_AN_HOUR):
        raise Invalid(f"A drill comes after {FEWEST_APART} to {MOST_AN_HOUR:,} decisions, or never: 0.")
    setting, _ = CareSetting.objects.select_for_update().get_or_create(team_id=actor.team)
    if not setting.samples and samples:
        setting.sampled_until = now()
    setting.samples, setting.most_an_hour, setting.drill_every = samples, most_an_hour, drill_every
    setting.save()
    detail = {"samples": samples, "most_an_hour": most_an_hour, "drill_every": drill_every}
    record(Kind.CARE_SET, subject=actor.team, actor=actor, detail=detail)

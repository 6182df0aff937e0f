"""What the pages of runs read. The number of queries never follows the rows."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

from approvals.access import visible_reviews
from approvals.models import Action, Review
from audit.models import Record
from console.core.actor import Actor
from console.core.clock import nanoseconds, now
from console.core.errors import NotFound
from console.core.keyset import newest_first
from console.runs.access import access_run, visible_runs
from console.runs.models import Run, Step
from console.runs.waterfall import Bar, Picture, Row, draw, innermost_failure
from console.traces.models import Span
from console.workflows.access import visible_workflows
from console.workflows.models import Workflow
from integrations.leases import leases_of_run
from integrations.models import Call

SIGNATURE = "waiting for a signature"
WAITS = {"review": SIGNATURE, "event": "waiting for an event"}
PAGE = 50
MOST_COUNTED = 1_000
MOST_SPANS = 2_000
MOST_RECORDS = 30
OURS = {"error", "outcome"}
STATES = ("running", "succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Filters:
    """As in the address; whatever is not known there is taken as not given."""

    state: str = ""
    workflow: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    run: Run
    waits: bool  # for a signature

    @property
    def took(self) -> dt.timedelta:
        return (self.run.finished_at or now()) - self.run.started_at


@dataclass(frozen=True, slots=True)
class RunList:
    runs: Sequence[Listed]
    count: int
    more_counted: bool
    following: str  # cursor, "" at the end
    workflows: Sequence[Workflow]
    filters: Filters


def list_runs(actor: Actor, filters: Filters) -> RunList:
    runs = visible_runs(actor).select_related("version__workflow", "on_behalf_of")
    if filters.state in STATES:
        runs = runs.filter(state=filters.state)
    if filters.workflow:
        runs = runs.filter(version__workflow__slug=filters.workflow)
    count = runs.order_by()[: MOST_COUNTED + 1].count()
    page = newest_first(runs.annotate(waits=_waits()), by="started_at", after=filters.before, size=PAGE)
    return RunList(
        runs=[Listed(run, run.state == "running" and vars(run)["waits"]) for run in page.items],
        count=min(count, MOST_COUNTED),
        more_counted=count > MOST_COUNTED,
        following=page.next,
        workflows=list(visible_workflows(actor)),
        filters=filters,
    )


def _waits() -> Exists:
    return Exists(Step.objects.filter(run=OuterRef("pk"), state="waiting", waiting_for="review"))


@dataclass(frozen=True, slots=True)
class Planned:
    """A step of the plan; those of an `each` step are summed up by state, or by what they wait for."""

    step: Step
    children: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RunPage:
    run: Run
    picture: Picture
    more_spans: int  # that are not drawn
    plan: Sequence[Planned]
    selected: str
    failure: str  # span_id of the innermost first failure
    leases: Sequence[Call]  # under which the door uses credentials for it now

    @property
    def waits(self) -> bool:
        waiting = any(one.step.waiting_for == "review" or SIGNATURE in one.children for one in self.plan)
        return self.run.state == "running" and waiting

    @property
    def took(self) -> dt.timedelta:
        return (self.run.finished_at or now()) - self.run.started_at


def read_run(actor: Actor, run_id: str, span_id: str = "") -> RunPage:
    run = access_run(actor, run_id)
    spans = list(_spans(run)[: MOST_SPANS + 1])
    more = _spans(run).count() - MOST_SPANS if len(spans) > MOST_SPANS else 0
    picture = draw([bar_of(span) for span in spans[:MOST_SPANS]], nanoseconds(now()))
    failure = innermost_failure(picture)
    return RunPage(
        run=run,
        picture=picture,
        more_spans=more,
        plan=_plan(run),
        selected=span_id or _worth_a_look(picture, failure),
        failure=failure.span_id if failure else "",
        leases=leases_of_run(run.id),
    )


def _spans(run: Run) -> Any:
    return Span.objects.filter(run=run.id, trace_id=run.trace_id, team=run.team_id).order_by("started_ns", "span_id")


def bar_of(span: Span) -> Bar:
    return Bar(span.span_id, span.parent_id, span.name, span.surface, span.started_ns, span.ended_ns,
               span.status == "error")  # fmt: skip


def _worth_a_look(picture: Picture, failure: Bar | None) -> str:
    """What a person is waited for; else what went wrong first; else the whole."""
    waiting = [row.bar for row in picture.rows if row.open and row.bar.surface == "human"]
    bars = [*waiting[:1], *([failure] if failure else []), *(row.bar for row in picture.rows[:1])]
    return bars[0].span_id if bars else ""


def _plan(run: Run) -> list[Planned]:
    counts: dict[str | None, Counter[str]] = {}
    children = run.steps.exclude(parent=None).order_by().values_list("parent", "state", "waiting_for")
    for parent, state, waiting_for, number in children.annotate(number=Count("pk")):
        counts.setdefault(parent, Counter())[WAITS.get(waiting_for, state) if state == "waiting" else state] += number
    return [Planned(step, dict(counts.get(step.id, {}))) for step in run.steps.filter(parent=None)]


@dataclass(frozen=True, slots=True)
class Inspected:
    """One span with the rows behind it."""

    run: Run
    span: Span
    row: Row
    step: Step | None = None
    action: Action | None = None
    call: Call | None = None
    review: Review | None = None  # only when the actor may see it
    asked: bool = False  # there is a review, seen or not
    records: Sequence[Record] = field(default_factory=tuple)
    more_records: bool = False

    @property
    def started(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.span.started_ns // 1_000 / 1_000_000, dt.UTC)

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """Those that say more than the rows beside them do; ours only name such rows."""
        given = self.span.attributes.items()
        return [
            (name, str(value)) for name, value in given if not name.startswith("countersign.") and value is not None
        ]


def inspect_span(actor: Actor, run: Run, span_id: str) -> Inspected:
    """Raises NotFound for a span of another run."""
    span = _spans(run).filter(span_id=span_id).first()
    if span is None:
        raise NotFound("This run has no such span.")
    step = Step.objects.filter(pk=span.subject, run=run).first()
    call = Call.objects.filter(Q(pk=span.subject) | Q(action=span.subject), team=run.team_id).first()
    action = _action(run, span, step, call)
    review = visible_reviews(actor).filter(action=action).order_by("-opened_at").first() if action else None
    asked = Review.objects.filter(action=action).exists() if action else False
    subjects = {
        span.subject,
        *([action.id] if action else []),
        *([call.id] if call else []),
        *([review.id] if review else []),
    }
    records = list(
        Record.objects.of(*(subjects - {""})).filter(team=run.team_id).order_by("at", "id")[: MOST_RECORDS + 1]
    )
    row = draw([bar_of(span)], nanoseconds(now())).rows[0]
    return Inspected(
        run, span, row, step, action, call, review, asked, records[:MOST_RECORDS], len(records) > MOST_RECORDS
    )


def _action(run: Run, span: Span, step: Step | None, call: Call | None) -> Action | None:
    """The action that a span is of or belongs to: by its subject, step, call or review, or by its attributes."""
    known = [span.subject, step.action if step else "", call.action if call else "",
             str(span.attributes.get("countersign.action", ""))]  # fmt: skip
    reviewed = Review.objects.filter(pk=span.subject).values("action")
    named = Q(pk__in=[one for one in known if one]) | Q(pk__in=reviewed)
    return Action.objects.select_related("operation__integration").filter(named, run=run.id).first()

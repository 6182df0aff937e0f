"""Reads for the integration pages: operations by effect, told in words, and grants as the sentences they mean."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Case, Count, OuterRef, Q, QuerySet, Subquery, When

from console.core.attest import verify
from console.core.clock import now
from console.core.errors import Invalid, Tampered
from integrations import limits
from integrations.amend import quarantined
from integrations.credential_types import known
from integrations.described import definitions_of
from integrations.description import Description
from integrations.difference import Described, Line, difference
from integrations.grantees import Using, in_use, short_name, used_since
from integrations.lint import Finding, lint
from integrations.models import (
    EFFECTS,
    AccessToken,
    Amendment,
    Authorization,
    Credential,
    Grant,
    HealthTest,
    Integration,
    Operation,
)
from integrations.refusals import IN_A_ROW

AT_ONCE = 50  # operations on a page
SOON = 14  # days
SHOWN = 20  # amendments on a page
UNUSED_DAYS = 30
USE_DAYS = 90
MOST_SHOWN = 20  # actions at work
WORST_FIRST = EFFECTS[::-1]
EFFECT_WORDS = {
    "read": "Only looks; may be repeated",
    "write": "Changes something at the other side",
    "destructive": "Ends or removes something; cannot be undone by us",
}
TRUST_WORDS = {
    "imported": "Imported; no person has reviewed the description, so every use goes to a human",
    "reviewed": "A person has reviewed the description",
    "proven": "Proven by use: the description was checked against the real system",
}
IDEMPOTENCY_WORDS = {
    "native_key": "The other side knows our key: a repeat does nothing new",
    "client_id": "We choose the id: a repeat meets the same object",
    "natural_key": "Our key travels with what is made, and a probe finds it there",
    "conditional": "Happens only while the state is still the one that was read",
    "set_semantics": "A repeat leaves the same state",
    "none": "A repeat would happen twice, so every use goes to a human",
    "unknown": "Nobody has said what a repeat does, so every use goes to a human",
}


@dataclass(frozen=True, slots=True)
class Told:
    """An operation as the page shows it. `genuine` is false when the row is not what the console signed."""

    row: Operation
    described: Description
    genuine: bool
    changed: bool
    grantees: list[str]

    @property
    def idempotency(self) -> str:
        words = IDEMPOTENCY_WORDS.get(self.described.mode, self.described.mode)
        kept = self.described.retention
        return f"{words}, for {_lasting(kept)}" if kept else words

    @property
    def trust(self) -> str:
        return TRUST_WORDS[self.row.trust]

    @property
    def findings(self) -> list[Finding]:
        """What whoever signs would miss."""
        return lint(replace(self.described, definitions=definitions_of(self.row.definitions_id)))

    @property
    def hints(self) -> list[str]:
        """What a server says of its own tool: a proposal for whoever reviews it, and nothing more."""
        return hints_in_words(self.described.document.get("tool", {}).get("hints", {}))

    @property
    def arguments(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "must": a.get("required", False), "place": a["in"], "is": in_words(a["schema"])}
            for name, a in self.described.arguments.items()
        ]


@dataclass(frozen=True, slots=True)
class Group:
    """`count` is of all that match, `operations` are those of this page."""

    effect: str
    says: str
    count: int
    operations: list[Told]


@dataclass(frozen=True, slots=True)
class Operations:
    """A page of them. `next` is where the following one begins; "" when there is none."""

    groups: list[Group]
    matching: int
    next: str


@dataclass(frozen=True, slots=True)
class Held:
    """A credential, and who may have the door use it now."""

    credential: Credential
    grantees: list[str]
    consent: bool  # whether a person has to consent to its use

    @property
    def soon(self) -> str:
        """How the page marks its end at the other side: `stop`, `wait`, or "" while there is time."""
        ends = self.credential.expires_at
        if ends is None or self.credential.revoked_at:
            return ""
        return "stop" if ends <= now() else "wait" if ends <= now() + dt.timedelta(days=SOON) else ""

    @property
    def refused(self) -> bool:
        """Often enough in a row for it to be no accident."""
        return self.credential.refusals >= IN_A_ROW and not self.credential.revoked_at

    @property
    def tested(self) -> str:
        """The state of its last test, "" where there was none."""
        return getattr(self.credential, "test_state", None) or ""

    @property
    def token(self) -> AccessToken | None:
        return getattr(self.credential, "token", None)

    @property
    def connecting(self) -> bool:
        return getattr(self.credential, "consented", None) in {"received", "exchanging"}

    @property
    def problem(self) -> str:
        """Of the last consent, or of the last try to get a token."""
        failed = getattr(self.credential, "consented", None) == "failed"
        return getattr(self.credential, "consent_problem", "") if failed else self.token.problem if self.token else ""


@dataclass(frozen=True, slots=True)
class Change:
    """What waits for a person; `shown` is the digest that their decision names."""

    row: Amendment
    shown: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Changes:
    """`count` is of all that wait, `waiting` are the first of them; `decided` the newest."""

    waiting: list[Change]
    count: int
    decided: list[Amendment]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A grant in parts, so that the page can mark them. `state` is in force, ended or revoked; `unused` are operations
    that it names and that nobody has asked for by it in UNUSED_DAYS, though it is older than that."""

    grant: Grant
    kind: str
    name: str
    state: str
    unused: list[str]

    @property
    def limits(self) -> list[str]:
        return list(limits.sentences(self.grant.limits))


HINT_WORDS = {
    ("readOnlyHint", True): "only looks",
    ("readOnlyHint", False): "changes something",
    ("destructiveHint", True): "may destroy",
    ("destructiveHint", False): "only adds",
    ("idempotentHint", True): "a repeat does nothing new",
    ("idempotentHint", False): "a repeat does it again",
    ("openWorldHint", True): "reaches other systems",
    ("openWorldHint", False): "stays within its own",
}


def hints_in_words(hints: Mapping[str, Any]) -> list[str]:
    return [words for (name, value), words in HINT_WORDS.items() if hints.get(name) is value]


def listed(integrations: QuerySet[Integration]) -> QuerySet[Integration]:
    """One query, however many there are."""
    risky = Q(operations__effect__in=[effect for effect in EFFECTS if effect != "read"])
    return integrations.annotate(
        count=Count("operations", distinct=True),
        risky=Count("operations", filter=risky, distinct=True),
        secrets=Count("credentials", filter=Q(credentials__revoked_at=None), distinct=True),
    )


def operations_of(
    integration: Integration, grants: Iterable[Grant], *, search: str = "", after: str = ""
) -> Operations:
    """What can do most harm comes first. Each word of `search` has to be in the name or the title. Two queries, however
    many operations there are. Raises Invalid for a place that no page gave out."""
    matching = integration.operations.all()
    for word in search.split():
        matching = matching.filter(Q(slug__icontains=word) | Q(title__icontains=word))
    counts = dict(matching.order_by().values_list("effect").annotate(Count("pk")))
    users = _users(grants)
    rows = list(_beyond(matching, after).annotate(quarantined=quarantined("pk"))[: AT_ONCE + 1])
    shown = [told(row, integration, users.get(row.slug, [])) for row in rows[:AT_ONCE]]
    groups = [
        Group(effect, EFFECT_WORDS[effect], counts[effect], found)
        for effect in WORST_FIRST
        if (found := [one for one in shown if one.row.effect == effect])
    ]
    following = f"{shown[-1].row.effect} {shown[-1].row.slug}" if len(rows) > AT_ONCE else ""
    return Operations(groups, sum(counts.values()), following)


def _beyond(operations: QuerySet[Operation], after: str) -> QuerySet[Operation]:
    """In the order of the page, from behind this place on."""
    rank = Case(*(When(effect=effect, then=place) for place, effect in enumerate(WORST_FIRST)))
    operations = operations.annotate(rank=rank).order_by("rank", "slug")
    if not after:
        return operations
    effect, _, slug = after.partition(" ")
    if effect not in WORST_FIRST or not slug:
        raise Invalid("This is not a place in the list. Begin with the first page.", code="invalid_cursor")
    place = WORST_FIRST.index(effect)
    return operations.filter(Q(rank__gt=place) | Q(rank=place, slug__gt=slug))


def told(row: Operation, integration: Integration, grantees: list[str]) -> Told:
    row.integration = integration
    changed = bool(getattr(row, "quarantined", False))
    return Told(row, Description(row.slug, row.description), genuine(row), changed, grantees)


def genuine(row: Operation) -> bool:
    try:
        verify("operation", row.attested(), row.attestation)
    except Tampered:
        return False
    return Description(row.slug, row.description).digest == bytes(row.digest)


def _users(grants: Iterable[Grant]) -> dict[str, list[str]]:
    """Operation → who may use it now."""
    users: dict[str, list[str]] = {}
    for grant in grants:
        if state_of(grant, now()) == "in force":
            for slug in grant.operations:
                users.setdefault(slug, []).append(short_name(grant.grantee))
    return users


def amendments_of(integration: Integration) -> Changes:
    """Three queries, and one for each import that they come from."""
    found = Amendment.objects.filter(operation__integration=integration).select_related("operation")
    waiting = found.filter(state="quarantined")
    decided = found.exclude(state="quarantined").defer("before", "after", "operation__description")
    return Changes(
        waiting=[_change(one) for one in waiting.order_by("operation__slug")[:SHOWN]],
        count=waiting.count(),
        decided=list(decided[:SHOWN]),
    )


def _change(row: Amendment) -> Change:
    before = Described(row.before, definitions_of(row.before_definitions_id))
    after = Described(row.after, definitions_of(row.after_definitions_id))
    return Change(row, bytes(row.digest).hex(), difference(before, after))


def _lasting(time: dt.timedelta) -> str:
    """In the largest unit that leaves no remainder."""
    whole = int(time.total_seconds())
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
    unit, seconds = next((unit, seconds) for unit, seconds in units if whole % seconds == 0)
    return f"{whole // seconds:,} {unit}{'' if whole == seconds else 's'}"


def sentences(grants: Iterable[Grant]) -> list[Sentence]:
    """One query, however many grants there are."""
    at, grants = now(), list(grants)
    idle = unused(grants, at)
    made = []
    for grant in grants:
        kind = grant.grantee.partition(":")[0]
        made.append(Sentence(grant, kind, short_name(grant.grantee), state_of(grant, at), idle.get(grant.pk, [])))
    return made


def unused(grants: Iterable[Grant], at: dt.datetime) -> dict[str, list[str]]:
    """Names of operations, by grant."""
    since = at - dt.timedelta(days=UNUSED_DAYS)
    old = [grant for grant in grants if state_of(grant, at) == "in force" and grant.created_at < since]
    used = used_since([grant.pk for grant in old], since) if old else {}
    return {grant.pk: [one for one in grant.operations if one not in used.get(grant.pk, {})] for grant in old}


def state_of(grant: Grant, at: dt.datetime) -> str:
    if grant.revoked_at:
        return "revoked"
    return "ended" if grant.until and grant.until <= at else "in force"


def credentials_of(integration: Integration, given: Iterable[Sentence], *, only: str = "") -> list[Held]:
    """Their names and dates. The sealed bytes stay in the database: the page has no use for them."""
    in_force = [(one.grant.credential_id, one.name) for one in given if one.state == "in force"]
    newest = Authorization.objects.filter(credential=OuterRef("pk")).exclude(state="started")
    tests = HealthTest.objects.filter(credential=OuterRef("pk"))
    found = integration.credentials.select_related("token").annotate(
        consented=Subquery(newest.values("state")[:1]), consent_problem=Subquery(newest.values("problem")[:1]),
        test_state=Subquery(tests.values("state")[:1]), test_at=Subquery(tests.values("moved_at")[:1]),
    )  # fmt: skip
    found = found.filter(pk=only) if only else found
    found = found.defer("sealed", "wrapped", "attestation", "token__content")
    consent = known(integration.credential_type).grant == "authorization_code"
    return [Held(row, sorted({name for one, name in in_force if one == row.pk}), consent) for row in found]


@dataclass(frozen=True, slots=True)
class Consumer:
    """`used` is what was asked for by the grant in USE_DAYS: operation and when last, the newest first."""

    sentence: Sentence
    used: list[tuple[str, dt.datetime]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A credential, the grants that name it, and what is at work by it now, of which `using` has the newest."""

    held: Held
    consumers: list[Consumer]
    using: list[Using]
    count: int

    @property
    def in_force(self) -> list[Consumer]:
        return [one for one in self.consumers if one.sentence.state == "in force"]


def credential_shown(credential: Credential, grants: QuerySet[Grant]) -> Shown:
    """The same number of queries, however many grants there are."""
    given = sentences(grants.filter(credential=credential))
    used = used_since([one.grant.pk for one in given], now() - dt.timedelta(days=USE_DAYS)) if given else {}
    consumers = [
        Consumer(one, sorted(used.get(one.grant.pk, {}).items(), key=lambda pair: pair[1], reverse=True))
        for one in sorted(given, key=lambda one: one.state != "in force")
    ]
    [held] = credentials_of(credential.integration, given, only=credential.pk)
    using, count = in_use(credential.pk, MOST_SHOWN)
    return Shown(held, consumers, using, count)


def in_words(schema: Mapping[str, Any] | bool) -> str:
    """The usual parts of a JSON Schema as a person would say them; whatever else it holds is in the description."""
    if isinstance(schema, bool):
        return "any value" if schema else "no value at all"
    kinds = schema.get("type", "any value")
    choices = schema.get("enum") or (kinds if isinstance(kinds, list) else [kinds])
    said = [" or ".join(map(str, choices))]
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if lowest is not None and highest is not None:
        said.append(f"{lowest:,} to {highest:,}")
    elif lowest is not None or highest is not None:
        said.append(f"at least {lowest:,}" if highest is None else f"at most {highest:,}")
    if "pattern" in schema:
        said.append(f"like {schema['pattern']}")
    if "maxLength" in schema:
        said.append(f"up to {schema['maxLength']:,} characters")
    return ", ".join(said)

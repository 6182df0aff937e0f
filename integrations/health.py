"""Is a credential good? An admin chooses a read that changes nothing, and the door makes it: no action, no grant and no
ruling, as for the reads that descriptions name."""

import datetime as dt
from typing import Any, NamedTuple

import yaml
from django.db import IntegrityError, transaction

from audit.move import begin, move
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.attest import attest, verify
from console.core.clock import now
from console.core.documents import load
from console.core.errors import Conflict, Invalid, Tampered
from console.core.wake import wake
from integrations.amend import waiting
from integrations.authorize import needs_consent
from integrations.described import complete
from integrations.description import Description
from integrations.exchange import exchange, open_secret, succeeded
from integrations.models import AccessToken, Credential, HealthTest, Integration, Operation
from integrations.outbound import Answer, NotSent, Unknown
from integrations.queries import genuine
from integrations.refusals import UNAUTHORIZED, note_refused_test
from integrations.render import render
from integrations.tokens import TokenDenied

TASK = "integrations.tasks.run_health_test"
CONFIRMED = ("reviewed", "proven")
FORBIDDEN = 403
PAUSE = dt.timedelta(seconds=10)  # from one test of a credential to the next
GIVEN_UP = dt.timedelta(minutes=3)  # a token may take half a minute, and the read a minute
MOST_OFFERED = 100
GONE = "The door that tried it is gone. Test it again."


class Ended(NamedTuple):
    state: str
    status: int | None = None
    problem: str = ""


@transaction.atomic
def ask_test(credential: Credential, slug: str, written: str, *, actor: Actor) -> HealthTest:
    """`written` are the read's arguments as YAML, "" for none. Raises Invalid, and Conflict while it is being tested,
    or was a moment ago."""
    actor.require(Role.ADMIN)
    locked = Credential.objects.select_for_update(of=("self",)).select_related("integration").get(pk=credential.pk)
    if locked.revoked_at:
        raise Conflict("This credential has been revoked.")
    if needs_consent(locked) and not AccessToken.objects.filter(credential=locked).exists():
        raise Conflict("Connect it first: nobody has consented to its use yet.")
    operation = _chosen(locked.integration, slug)
    arguments = load(written, {"type": "object"}) if written.strip() else {}
    complete(operation).check_arguments(arguments)
    if HealthTest.objects.filter(credential=locked, asked_at__gt=now() - PAUSE).exists():
        raise Conflict(f"It was tested a moment ago. Wait {PAUSE.seconds} seconds.")
    test = HealthTest(credential=locked, operation=operation, arguments=arguments, asked_by_id=actor.id, asked_at=now())
    test.attestation = attest("health test", test.attested())
    try:
        with transaction.atomic():
            begin(test, actor=actor, detail=_told(test))
    except IntegrityError:
        raise Conflict("It is being tested already.") from None
    wake(TASK, "actions", test.pk)
    return test


def _chosen(integration: Integration, slug: str) -> Operation:
    """Raises Invalid for what is no read that a person has confirmed."""
    operation = integration.operations.filter(slug=slug).select_related("integration", "definitions").first()
    if operation is None or operation.effect != "read" or operation.trust not in CONFIRMED:
        raise Invalid("Choose an operation that only looks, and whose description a person has reviewed.")
    if not genuine(operation) or waiting(operation):
        raise Invalid(f"The description of {slug} has changed, and an admin has to look at that first.")
    return operation


def candidates(integration: Integration) -> list[Operation]:
    """What it may be tested by; first what needs no arguments."""
    reads = integration.operations.filter(effect="read", trust__in=CONFIRMED)
    found = reads.only("slug", "title", "description").order_by("slug")
    return sorted(found, key=lambda one: bool(needed(one)))


def needed(operation: Operation) -> list[str]:
    arguments: dict[str, Any] = operation.description.get("arguments", {})
    return [name for name, said in arguments.items() if said.get("required")]


def chosen_before(credential: Credential) -> dict[str, str]:
    """As the form has it: the read of its last test; of a credential that had none, of the integration's last."""
    tests = HealthTest.objects.select_related("operation").filter(credential__integration=credential.integration_id)
    last = tests.filter(credential=credential).first() or tests.first()
    if last is None:
        return {}
    written = yaml.safe_dump(last.arguments, sort_keys=False, allow_unicode=True) if last.arguments else ""
    return {"operation": last.operation.slug, "arguments": written}


def run_test(identity: str, *, actor: Actor) -> HealthTest | None:
    """The door's part; None where another door does it, or has. The answer is not kept."""
    test = _claim(identity, actor)
    if test is None:
        return None
    try:
        ended = _try(test)
    except Tampered as tampering:
        what = str(tampering)[:300]
        with transaction.atomic():
            record(Kind.ALARM_TAMPERED, subject=test.pk, actor=actor, detail={"what": what}, **test.audit_context())
            _end(test, Ended("untried", problem="What is stored does not match what was signed."), actor)
        return test
    with transaction.atomic():
        _end(test, ended, actor)
        if ended.state == "refused" and ended.status in (UNAUTHORIZED, None):
            note_refused_test(test.credential)
    return test


@transaction.atomic
def _claim(identity: str, actor: Actor) -> HealthTest | None:
    rows = HealthTest.objects.select_for_update(of=("self",)).select_related(
        "credential__integration", "operation__integration"
    )
    test = rows.filter(pk=identity, state__in=HealthTest.OPEN).first()
    if test is None:
        return None
    if test.state == "trying":
        if test.moved_at < now() - GIVEN_UP:
            _end(test, Ended("untried", problem=GONE), actor)
        return None
    move(test, "trying", actor=actor, detail=_told(test), moved_at=now())
    return test


def _try(test: HealthTest) -> Ended:
    """No transaction is open here. Raises Tampered."""
    credential, operation = test.credential, test.operation
    verify("health test", test.attested(), test.attestation)
    verify("credential", credential.attested(), credential.attestation)
    if not genuine(operation) or credential.integration_id != operation.integration_id:
        raise Tampered(f"The description of {operation.slug} was altered.")
    described = Description(operation.slug, operation.description)
    if credential.revoked_at or waiting(operation) or described.effect != "read":
        return Ended("untried", problem="The credential was revoked, or the description changed, in the meantime.")
    try:
        return judge(described, _read(test, described))
    except TokenDenied as error:
        return Ended("refused", problem=str(error)[:500])
    except (NotSent, Unknown) as error:
        return Ended("unreachable", problem=str(error)[:500])
    except Invalid as error:
        return Ended("untried", problem=error.text[:500])


def _read(test: HealthTest, described: Description) -> Answer:
    credential, integration = test.credential, test.operation.integration
    rendered = render(described, test.arguments, base_url=integration.base_url, key=test.pk)
    secret = open_secret(credential, integration)
    return exchange(credential, integration, secret, rendered, expected=rendered.digest)


def judge(described: Description, answer: Answer) -> Ended:
    """Only these two statuses are about who asks (RFC 9110 §15.5); the other ones say nothing of the credential."""
    if answer.status in (UNAUTHORIZED, FORBIDDEN):
        return Ended("refused", answer.status)
    if succeeded(described, answer):
        return Ended("accepted", answer.status)
    text = "The answer is not what the description calls a success."
    return Ended("unclear", answer.status, text)


def _end(test: HealthTest, ended: Ended, actor: Actor) -> None:
    status = {"status": ended.status} if ended.status else {}
    move(test, ended.state, actor=actor, result=ended.state, detail={**_told(test), **status},
         personal={"problem": ended.problem} if ended.problem else None,
         status=ended.status, problem=ended.problem, moved_at=now())  # fmt: skip


def offer_tests() -> int:
    """Wake the door for what a lost message left, and for what a dead door began."""
    late = HealthTest.objects.filter(state__in=HealthTest.OPEN, moved_at__lt=now() - dt.timedelta(seconds=2))
    ids = list(late.values_list("pk", flat=True)[:MOST_OFFERED])
    for identity in ids:
        wake(TASK, "actions", identity)
    return len(ids)


def _told(test: HealthTest) -> dict[str, object]:
    """Without the arguments, which may name people."""
    return {"credential": test.credential_id, "operation": test.operation_id}

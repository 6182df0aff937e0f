"""The demo with all its processes running: what is in its database and at the payment provider, and fresh runs."""

import json
from dataclasses import dataclass, field

import httpx

from approvals.models import Review
from audit.models import Record
from console.accounts.enrolment import revoke_passkey
from console.accounts.models import Passkey
from console.runs.cancel import cancel_run
from console.runs.models import Run
from console.runs.start import start_run
from console.workflows.access import access_version
from examples.demo.charges import API_KEY, SeededCharges, alter_charge, connected, refunds, seed_charges
from examples.demo.people import acting
from examples.demo.seed import begin_run
from tests.services import services
from tests.stack import wait_until

LARGE, SMALL = 48_000, 4_200


@dataclass
class Office:
    standin: str
    seeded: SeededCharges = field(init=False)

    def open(self) -> None:
        """A provider with the demo's charges and nothing else."""
        httpx.delete(f"{self.standin}/_config/data").raise_for_status()
        self.seeded = seed_charges(self.standin)

    def close(self) -> None:
        """Nothing waits and nobody holds a passkey, as before."""
        for run in Run.objects.filter(state="running"):
            cancel_run(run, actor=acting("jonas"))
        for passkey in Passkey.objects.filter(revoked_at=None).select_related("user"):
            revoke_passkey(passkey, why="", actor=acting(passkey.user.username))

    def password(self, username: str) -> str:
        people = json.loads((services().state / "demo.json").read_text())["personas"]
        return next(str(one["password"]) for one in people if one["username"] == username)

    def begin(self) -> Run:
        """A run whose two refunds wait for a signature."""
        run = begin_run()
        wait_until(lambda: Review.objects.filter(action__run=run.id, state="open").count() == 2, "two refunds wait")
        return run

    def begin_cancelling(self, subscription: str) -> Review:
        actor = acting("jonas")
        inputs = {"subscription": self.seeded.subscriptions[subscription], "reason": "moved away"}
        wish = "The customer has moved away, and wants no invoice any more."
        run = start_run(access_version(actor, "cancel-subscription"), inputs=inputs, actor=actor, request=wish)
        waiting = Review.objects.filter(action__run=run.id, state="open")
        wait_until(waiting.exists, "the cancellation waits")
        return waiting.get()

    def review(self, run: Run | str, amount: int) -> Review:
        identity = run if isinstance(run, str) else run.id
        return Review.objects.select_related("action").get(action__run=identity, action__amount_minor=amount)

    def refunds(self, which: str = "large") -> list[int]:
        return [refund["amount"] for refund in refunds(self.standin, self.seeded.pair(which).later)]

    def describe_charge(self, description: str) -> None:
        """What the customer, who may be anyone, made the provider write."""
        alter_charge(self.standin, self.seeded.pair("large").later, description=description)

    def subscription(self, name: str) -> dict[str, object]:
        with connected(self.standin, API_KEY) as client:
            found: dict[str, object] = client.get(f"/v1/subscriptions/{self.seeded.subscriptions[name]}").json()
            return found

    def records(self, run: str, kind: str) -> int:
        return Record.objects.filter(run=run, kind=kind).count()

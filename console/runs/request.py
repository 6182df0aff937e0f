"""What the person who starts a run wants, in their own words: those of no agent."""

import hashlib

from console.core.attest import attest, verify
from console.core.errors import Invalid
from console.runs.models import Run

LONGEST = 2_000  # characters


def keep_request(run: Run, text: str) -> None:
    """Before the run is stored. Raises Invalid."""
    run.request = text.replace("\r\n", "\n").strip()
    if len(run.request) > LONGEST or "\0" in run.request:
        raise Invalid(f"Say what you want in at most {LONGEST:,} characters.")
    if run.request:
        run.request_attestation = attest("request", run.told_request())


def request_of(run: Run) -> str:
    """ "" where nothing was said. Raises Tampered where it is not what the person typed."""
    if run.request:
        verify("request", run.told_request(), run.request_attestation or b"")
    return run.request


def request_digest(run: Run) -> dict[str, str]:
    """For the run's record."""
    return {"request_digest": hashlib.sha256(run.request.encode()).hexdigest()} if run.request else {}

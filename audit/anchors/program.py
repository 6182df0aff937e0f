"""Programs of others, started for one answer and ended with all their children when the time is over."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from audit.anchors.base import AnchorFailed, Deadline

LONGEST = 400


def run(
    command: Sequence[str], deadline: Deadline, *, given: bytes = b"", environment: Mapping[str, str] | None = None,
) -> tuple[int, bytes, str]:  # fmt: skip
    """Code, output and complaints. Raises AnchorFailed when it cannot be started or takes too long."""
    try:
        process = subprocess.Popen(  # noqa: S603  (a list, never a shell)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **(environment or {})},
        )  # fmt: skip
    except OSError as fault:
        raise AnchorFailed(f"{command[0]} cannot be started: {fault.strerror}.") from fault
    with process:
        try:
            written, complaint = process.communicate(given, timeout=deadline.left)
        except (subprocess.TimeoutExpired, AnchorFailed):
            os.killpg(process.pid, signal.SIGKILL)
            raise deadline.over() from None
    return process.returncode, written, said(complaint, environment or {})


def said(complaint: bytes, environment: Mapping[str, str]) -> str:
    """In one line. Who is spoken with may repeat a password."""
    text = "; ".join(line.strip() for line in complaint.decode(errors="replace").splitlines() if line.strip())
    for name, value in environment.items():
        if name.endswith("PASSWORD"):
            text = text.replace(value, "…")
    return text[:LONGEST]


def output(
    command: Sequence[str], deadline: Deadline, *, given: bytes = b"", environment: Mapping[str, str] | None = None,
) -> bytes:  # fmt: skip
    """What it wrote. Raises AnchorFailed with its complaints, also when it fails."""
    code, written, complaint = run(command, deadline, given=given, environment=environment)
    if code:
        raise AnchorFailed(f"{command[0]}: {complaint or f'ended with {code}'}")
    return written

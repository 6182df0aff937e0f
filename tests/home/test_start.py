"""What a process loads before it does anything: people and tests wait for it, several times at each `up`."""

import os
import subprocess
import sys

from console.home.processes import ROOT, celery

STARTED = """
import sys
import django
django.setup()
from console.celery import app
app.loader.import_default_modules()
print(*{name.partition(".")[0] for name in sys.modules} & {"cel", "mcp", "mcp_types", "pyarrow", "wordllama", "z3"})
"""


def test_a_process_starts_without_the_libraries_that_few_need() -> None:
    assert "--skip-checks" in celery("steps", lanes=1, name="worker")
    done = subprocess.run([sys.executable, "-c", STARTED], cwd=ROOT, capture_output=True, text=True, check=True,
                          env={**os.environ, "CELERY_SKIP_CHECKS": "true"})  # fmt: skip
    assert done.stdout == "\n"

"""`python3 -m benchmarks NAME [--quick]`: measure, and print one JSON object. Progress goes to standard error.

Ends with 0 whether or not the claims hold (the JSON says so), with anything else when it could not measure.
"""

import argparse
import importlib
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"


def main(arguments: list[str]) -> None:
    if importlib.util.find_spec("django") is None:
        start_again(arguments)
    asked = read(arguments)
    print(run(asked.name, quick=asked.quick))


def start_again(arguments: list[str]) -> None:
    """With the project's own Python, which has what the product needs."""
    if not PYTHON.exists() or Path(sys.executable) == PYTHON:
        sys.exit("Run `python3 manage.py check` once: it installs what Countersign needs into .venv.")
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", "benchmarks", *arguments])


def run(name: str, *, quick: bool) -> str:
    """The report. A benchmark's own module is imported last: it may import models."""
    from benchmarks import bench, form  # noqa: PLC0415 - not before it is known that Django is there

    load, times = form.load_average(), form.times()
    try:
        with bench.running() as installation:
            measured = importlib.import_module(f"benchmarks.{name}").measure(installation, quick=quick)
            versions = form.versions(**bench.service_versions(installation))
    except bench.CouldNotMeasure as error:
        sys.exit(str(error))
    return form.as_json(form.report(name, measured, form.machine(load, times), versions))


def read(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=names())
    parser.add_argument("--quick", action="store_true", help="a few samples: to see that it works, not to quote")
    return parser.parse_args(arguments)


def names() -> list[str]:
    """The modules of this folder that measure something."""
    here = Path(__file__).parent
    return sorted(file.stem for file in here.glob("*.py") if "\ndef measure(" in file.read_text())


if __name__ == "__main__":
    main(sys.argv[1:])

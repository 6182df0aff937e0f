"""The forms that an export can take."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """`main` is the file that grows while it is written; "" for the one form whose files come chunk by chunk."""

    title: str
    says: str
    main: str
    proves: bool = False


FORMS: Mapping[str, Form] = {
    "bundle": Form(
        "Evidence bundle",
        "Exact records, proofs, signatures and a program that checks them offline. For auditors and courts.",
        "leaves.jsonl",
        proves=True,
    ),
    "jsonl": Form("JSON lines", "The exact records, one in each line, without proofs.", "records.jsonl"),
    "csv": Form("CSV", "One row for each record, for spreadsheets. Not for verification.", "records.csv"),
    "parquet": Form("Parquet", "Columns for data warehouses, compressed. Not for verification.", ""),
    "ocsf": Form(
        "OCSF events", "JSON lines in the Open Cybersecurity Schema, for a SIEM. Not for verification.",
        "events.ocsf.jsonl",
    ),
}  # fmt: skip

NO_PARQUET = (
    "Parquet needs the package pyarrow, which is not installed here. An operator installs it with"
    " `pip install pyarrow`; the other forms need nothing."
)


def missing(form: str) -> str:
    """Why this installation cannot write the form; "" when it can."""
    return NO_PARQUET if form == "parquet" and importlib.util.find_spec("pyarrow") is None else ""

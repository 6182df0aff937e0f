"""The text that goes with an export, for whoever opens it years later."""

from audit.exports.forms import FORMS
from audit.exports.scope import DAYS, choice
from audit.models import Export
from console.core.clock import iso

_BUNDLE = """This is a part of the audit log {origin}: records {begin} up to {end},
of which {records} are in this bundle. {chosen}

Check it, offline, with any Python from 3.11 on. Nothing is installed and nothing is sent:

    python3 verify.py {archive}

verify.py may be the one in this bundle or, better, one that you got from somewhere else. It takes the ZIP as it is, or
the directory it was unpacked into. To know that the log is the one you mean, and not one that was made up, give the
verifier key that you were told when the log began:

    python3 verify.py --key 'KEY' {archive}

Without Python: open verify.html in a browser, also without a network, and choose the ZIP or the directory.

Keep the file `checkpoint`. Hand it in with the next export, and that one will prove that nothing was rewritten since.

leaves.jsonl          the exact bytes of each record, one in each line
indexes.txt           the places of these records in the log, when some are left out
hashes.bin            the hash of every record of the range, also of those that are left out
range-proof.txt       what proves that the range is complete
checkpoint            the size and root of the whole log, signed by it, and by witnesses where there are any
previous-checkpoint   an older one that the auditor kept, with consistency.txt: the log has only grown since
policy                the keys (c2sp.org/tlog-policy)
disclosures.jsonl     personal values, which stand in the records as salted commitments only
decisions.jsonl       what people signed, their signatures, and the records that enrolled their passkeys
anchors/              receipts for checkpoints that were laid down elsewhere
manifest.json         digests of all these files

Formats: RFC 6962; c2sp.org: signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy.
"""

_OTHER = """This is a part of the audit log {origin}: records {begin} up to {end}, of which {records} are
in this export, written as {title} on {made}. {chosen}

Not for verification: these files prove nothing. Ask for an evidence bundle of the same records where proof is needed.
manifest.json has the digests of the files.
"""


def readme(export: Export, origin: str) -> str:
    form = FORMS[export.form]
    return (_BUNDLE if form.proves else _OTHER).format(
        origin=origin, begin=export.begin, end=export.end, records=export.records, title=form.title,
        archive=archive_name(export), made=iso(export.requested_at), chosen=_chosen(export),
    )  # fmt: skip


def _chosen(export: Export) -> str:
    days = [f"{day} {export.filter[day]}" for day in DAYS if day in export.filter]
    period = f"The range is that of the days {' '.join(days)} (UTC)." if days else ""
    by = ", ".join(f"{name} {value}" for name, value in choice(export).items())
    return " ".join(
        filter(None, (period, f"Chosen by: {by}." if by else "Nothing in this range was left out on purpose."))
    )


def archive_name(export: Export) -> str:
    return f"countersign-{export.form}-{export.requested_at:%Y-%m-%d}-{export.pk[-6:]}.zip"

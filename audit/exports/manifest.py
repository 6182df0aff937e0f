"""The manifest: what is in the archive, with digests, and what may be concluded from it."""

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from audit.exports.files import Content, Output, digest_of
from audit.exports.forms import FORMS
from audit.exports.scope import DAYS, choice
from audit.models import Export, Tree
from audit.verify import FORMAT
from console.core.clock import iso, now

PLAIN_FORMAT = "countersign-export/1"


class Manifest(NamedTuple):
    text: bytes
    digest: str


def manifest(export: Export, tree: Tree, output: Output, others: Mapping[str, Content]) -> Manifest:
    form = FORMS[export.form]
    files: dict[str, object] = {}
    if form.main:
        files[form.main] = {"bytes": output.archive.size, "sha256": output.archive.digest.hexdigest()}
    for name, content in others.items():
        size, digest = digest_of(content)
        files[name] = {"bytes": size, "sha256": digest}
    told = {
        "format": FORMAT if form.proves else PLAIN_FORMAT,
        "origin": tree.origin,
        **({"closed": True} if tree.closed_at else {}),
        "begin": export.begin,
        "end": export.end,
        "size": export.size,
        "records": export.records,
        "filter": choice(export),
        "period": {day: export.filter[day] for day in DAYS if day in export.filter},
        "team": export.team,
        "made_at": iso(now()),
        "made_by": export.requested_by,
        "export": export.pk,
        **({} if form.proves else {"form": export.form, "verification": "not for verification; ask for a bundle"}),
        "files": files,
        "chunks": output.chunks,
    }
    text = json.dumps(told, indent=1).encode() + b"\n"
    return Manifest(text, hashlib.sha256(text).hexdigest())

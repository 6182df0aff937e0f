"""Handing the archive out: streamed, and each time on record."""

from django.db import transaction
from django.http import FileResponse

from audit.exports.files import archive_of
from audit.exports.queries import SAID
from audit.exports.readme import archive_name
from audit.models import Export
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.errors import Conflict


def download(export: Export, *, actor: Actor) -> FileResponse:
    """Raises Conflict when there is nothing to hand out."""
    if export.state != "done":
        raise Conflict(f"There is nothing to download: {SAID[export.state][0].lower()}.", code="not_ready")
    try:
        file = archive_of(export).open("rb")
    except FileNotFoundError:
        text = "Its files are not on this machine any more. Ask for it again: the log is whole."
        raise Conflict(text, code="files_gone") from None
    with transaction.atomic():
        record(Kind.EXPORT_DOWNLOADED, subject=export.pk, actor=actor, team=export.team,
               detail={"digest": export.digest})  # fmt: skip
    return FileResponse(file, as_attachment=True, filename=archive_name(export), content_type="application/zip")

"""Writing exports, one at a time, chunk by chunk. After each chunk the files are on the disk before the row says so:
whoever goes on after a crash cuts the files to what the row says, and the result is the same to the last byte."""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Iterator

from django.db import Error, transaction

from audit import proofs, trees
from audit.exports import bundle
from audit.exports.files import Content, Lost, Output, archive_of, delete_files, exports_folder
from audit.exports.forms import FORMS, missing
from audit.exports.leaves import Leaves, plan_plainly
from audit.exports.manifest import manifest
from audit.exports.readme import readme
from audit.exports.scope import Scope, ends, others_exist
from audit.exports.writers import write_chunk, write_head
from audit.models import Checkpoint, Export, Tree
from audit.move import move
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict

logger = logging.getLogger(__name__)

CHUNK = 100_000  # leaf indexes between two commits
ROOM = 1 << 29  # bytes that an export leaves free: the database may live on the same disk
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ACTOR = system("publisher")
NO_ROOM = "There is no room on the disk. Nothing is lost, and it goes on by itself when there is."


class CannotWrite(Exception):
    """Says why, to whoever asked for the export."""


def work_off(stop: threading.Event) -> bool:
    """Write the export that was asked for first, to its end or until `stop`. False when there is nothing to do now."""
    with _alone() as alone:
        export = _next() if alone else None
        return _work(export, stop) if export else False


def _next() -> Export | None:
    waiting = Export.objects.filter(state__in=("requested", "running")).select_related("tree")
    return waiting.order_by("requested_at", "pk").first()


@contextlib.contextmanager
def _alone() -> Iterator[bool]:
    """Two publishers lead at once for a moment when one loses its lock; they must not write the same files."""
    lock = os.open(exports_folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(lock)


def _work(export: Export, stop: threading.Event) -> bool:
    """A full disk, a database that is away and a log that is not signed yet come to an end by themselves. What else
    goes wrong would go wrong again."""
    try:
        return _write(export, stop)
    except Error:
        raise
    except Conflict:
        return False
    except OSError as fault:
        if fault.errno in FULL:
            _tell(export, NO_ROOM)
            return False
        logger.exception("export %s", export.pk)
        _fail(export, "storage", f"Its files could not be written ({fault.strerror or type(fault).__name__}).")
    except CannotWrite as fault:
        _fail(export, "impossible", str(fault))
    except Exception as fault:
        logger.exception("export %s", export.pk)
        _fail(
            export,
            "fault",
            f"It could not be written ({type(fault).__name__}). The publisher's log says more; no record is lost.",
        )
    return True


def _write(export: Export, stop: threading.Event) -> bool:
    if lacking := missing(export.form):
        raise CannotWrite(lacking)
    if export.state == "requested" and not _start(export):
        _tell(export, "The log has no signed checkpoint yet. It begins when there is one.")
        return False
    assert export.tree is not None
    leaves = Leaves(export.tree, Scope.of(export))
    _check_room()
    with _output(export) as output:
        if export.done == export.begin and not output.archive.size:
            write_head(export, output)
        while export.done < export.end:
            if stop.is_set():
                return False
            _write_chunk(export, leaves, output)
            _check_room()
        _finish(export, export.tree, leaves, output)
    return True


def _check_room() -> None:
    if shutil.disk_usage(exports_folder()).free < ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _start(export: Export) -> bool:
    tree = export.tree or trees.open_tree()
    checkpoint = tree and trees.newest_checkpoint(tree)
    if not tree or not checkpoint:
        return False
    first, last = ends(tree, checkpoint.size, export.filter)
    chosen = {**export.filter, **({"team": export.team} if others_exist(export.team) else {})}
    detail = {"origin": tree.origin, "begin": first, "end": last, "size": checkpoint.size}
    with transaction.atomic():
        move(export, "running", actor=ACTOR, detail=detail, tree_id=tree.pk, begin=first, end=last, done=first,
             size=checkpoint.size, filter=chosen, error="")  # fmt: skip
    return True


def _output(export: Export) -> Output:
    main = FORMS[export.form].main
    try:
        return Output(export, main)
    except Lost:
        logger.warning("export %s: files are gone; it begins anew", export.pk)
        delete_files(export)
        _progress(export, done=export.begin, written={}, records=0, length=0)
        return Output(export, main)


def _write_chunk(export: Export, leaves: Leaves, output: Output) -> None:
    end = min(export.done + CHUNK, export.end)
    with transaction.atomic():
        plan_plainly()
        count = write_chunk(export, leaves, export.done, end, output)
        output.sync()
        _progress(export, done=end, written=output.state, records=export.records + count, length=output.length)


def _progress(export: Export, **fields: object) -> None:
    """Raises Conflict when somebody else has moved the row."""
    known = Export.objects.filter(pk=export.pk, state="running", done=export.done)
    if not known.update(**fields, error=""):
        raise Conflict(f"The export {export.pk} is no longer this process's to write.")
    for name, value in fields.items():
        setattr(export, name, value)


def _finish(export: Export, tree: Tree, leaves: Leaves, output: Output) -> None:
    checkpoint = proofs.covering(tree, export.end)
    assert checkpoint is not None, "there was one when the export began"
    export.size = checkpoint.size
    others = _others(export, tree, checkpoint, leaves, output)
    told = manifest(export, tree, output, others)
    output.archive.finish({**others, "manifest.json": told.text})
    length = archive_of(export).stat().st_size
    detail = {"records": export.records, "begin": export.begin, "end": export.end, "size": export.size,
              "length": length, "digest": told.digest}  # fmt: skip
    with transaction.atomic():
        move(export, "done", actor=ACTOR, detail=detail, size=export.size, digest=told.digest, length=length,
             finished_at=now(), error="")  # fmt: skip
    output.drop_parts()


def _others(export: Export, tree: Tree, checkpoint: Checkpoint, leaves: Leaves, output: Output) -> dict[str, Content]:
    if FORMS[export.form].proves:
        return bundle.contents(export, tree, checkpoint, leaves, output)
    parts = {name: output.path(name) for name in output.names}
    return {**parts, "README.txt": readme(export, tree.origin).encode()}


def _tell(export: Export, text: str) -> None:
    if export.error != text:
        logger.warning("export %s: %s", export.pk, text)
        Export.objects.filter(pk=export.pk, state=export.state).update(error=text)


@transaction.atomic
def _fail(export: Export, code: str, text: str) -> None:
    move(export, "failed", actor=ACTOR, detail={"code": code}, error=text, finished_at=now())
    delete_files(export)

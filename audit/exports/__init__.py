"""Exports: a part of the log, whole or chosen, with what proves it, as files that need nobody here to be checked."""

from audit.exports.job import work_off
from audit.exports.sweep import expire_exports

__all__ = ["expire_exports", "work_off"]

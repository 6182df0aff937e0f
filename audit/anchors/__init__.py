"""Anchors: places outside, in other hands, that keep checkpoints, so that nobody can rewrite the log behind them.

An anchor is made from a mapping, as it stands in a YAML file: `build({"kind": "git", "remote": …})`.
"""

from collections.abc import Mapping

from audit.anchors.base import Anchor, AnchorAhead, AnchorFailed, Options, Receipt, WrongConfiguration
from audit.anchors.file import FileAnchor
from audit.anchors.git import GitAnchor
from audit.anchors.mail import MailAnchor
from audit.anchors.rfc3161 import TimestampAnchor
from audit.anchors.s3 import S3Anchor

__all__ = ["KINDS", "Anchor", "AnchorAhead", "AnchorFailed", "Receipt", "WrongConfiguration", "build"]

KINDS: dict[str, type[FileAnchor | GitAnchor | MailAnchor | TimestampAnchor | S3Anchor]] = {
    "file": FileAnchor,
    "git": GitAnchor,
    "mail": MailAnchor,
    "rfc3161": TimestampAnchor,
    "s3": S3Anchor,
}


def build(config: Mapping[str, object]) -> Anchor:
    """Reads the configuration alone: no file and no network. Raises WrongConfiguration."""
    kind = config.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise WrongConfiguration(f"An anchor is of a `kind`: {', '.join(KINDS)}. This one says {kind!r}.")
    options = Options(config, kind)
    anchor = KINDS[kind].read(options)
    options.finish()
    return anchor

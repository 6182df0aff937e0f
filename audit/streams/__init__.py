"""Streams: every leaf of the log, in order, to a SIEM. The index of a leaf is dense, so that who receives can tell that
none is missing.

A stream is made from a mapping, as it stands in a YAML file: `build({"name": "siem", "kind": "hec", "url": …})`.
"""

from collections.abc import Mapping

from audit.anchors.base import WrongConfiguration
from audit.streams.base import StreamOptions
from audit.streams.hec import HecSink
from audit.streams.otlp import OtlpSink
from audit.streams.stream import Stream
from audit.streams.syslog import SyslogSink

__all__ = ["KINDS", "Stream", "build"]

KINDS: dict[str, type[HecSink | OtlpSink | SyslogSink]] = {"hec": HecSink, "otlp": OtlpSink, "syslog": SyslogSink}


def build(config: Mapping[str, object]) -> Stream:
    """Reads the configuration alone: no file and no network. Raises WrongConfiguration."""
    kind = config.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise WrongConfiguration(f"A stream is of a `kind`: {', '.join(KINDS)}. This one says {kind!r}.")
    options = StreamOptions(config, kind)
    stream = Stream(
        name=options.text("name"), sink=KINDS[kind].read(options), pace=options.pace(), from_now=options.from_now(),
        most=options.number("batch_leaves", 1, 5000, 1000),
        most_bytes=options.number("batch_bytes", 1000, 100_000_000, 1_000_000),
    )  # fmt: skip
    options.finish()
    return stream

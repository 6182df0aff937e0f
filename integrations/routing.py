"""Which operations of an integration a request may be: by method and path, and by what they always say."""

import functools
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.db.models import QuerySet
from django.db.models.fields.json import KT

from integrations.models import Operation
from integrations.recognise import Heard, has_fixed, how_exactly

MOST_KNOWN = 50_000
_PARTS = {name: KT(f"description__{place}") for name, place in (
    ("method", "method"), ("path", "path"), ("fixed_query", "fixed"), ("fixed_body", "body__fixed"),
)}  # fmt: skip


@dataclass(frozen=True)
class _Shape:
    """What routing needs of a description, without the megabytes that one may have."""

    method: str
    path: str
    fixed: dict[str, Any]  # as in the description

    @functools.cached_property
    def literals(self) -> dict[int, str]:
        """What the path says itself, decoded, by the number of the segment."""
        return {at: unquote(one) for at, one in enumerate(self.path.split("/")) if "{" not in one}

    @functools.cached_property
    def count(self) -> int:
        return self.path.count("/")

    def may_be(self, method: str, segments: list[str]) -> bool:
        """The cheap half of the question: there may be thousands of them."""
        return (self.method, self.count) == (method, len(segments) - 1) and all(
            segments[at] == one for at, one in self.literals.items()
        )


_known: dict[tuple[str, bytes], _Shape] = {}  # for the life of the process


def routed(operations: QuerySet[Operation], heard: Heard) -> list[Operation]:
    """Those of the most exact path among the paths that match, and of these the ones that always say most. Two small
    queries: what routing needs is known after the first time."""
    shapes, segments = _shapes(operations), [unquote(one) for one in heard.path.split("/")]
    found = {
        operation: how
        for operation, shape in shapes.items()
        if shape.may_be(heard.method, segments)
        and (how := how_exactly(shape.path, heard.path)) is not None
        and has_fixed(shape.fixed, heard)
    }
    most = max(found.values(), default=())
    nearest = [operation for operation, how in found.items() if how == most]
    says_most = max((_said(shapes[one].fixed) for one in nearest), default=0)
    meant = [one for one in nearest if _said(shapes[one].fixed) == says_most]
    return list(operations.filter(pk__in=meant).select_related("integration").order_by("slug"))


def _said(fixed: dict[str, Any]) -> int:
    return len(fixed["fixed"]) + len(fixed["body"]["fixed"])


def _shapes(operations: QuerySet[Operation]) -> dict[str, _Shape]:
    """A description that changes has another digest: what is known under the old one is never asked for again."""
    digests = {pk: bytes(digest) for pk, digest in operations.order_by().values_list("pk", "digest")}
    missing = [pk for pk, digest in digests.items() if (pk, digest) not in _known]
    if missing:
        if len(_known) > MOST_KNOWN:
            _known.clear()
        said = operations.filter(pk__in=missing).order_by().annotate(**_PARTS)
        for pk, digest, method, path, query, body in said.values_list("pk", "digest", *_PARTS):
            fixed = {"fixed": json.loads(query or "[]"), "body": {"fixed": json.loads(body or "[]")}}
            _known[pk, bytes(digest)] = _Shape(method, path, fixed)
    return {pk: shape for pk, digest in digests.items() if (shape := _known.get((pk, digest)))}

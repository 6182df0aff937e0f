"""What the pages and the API of exports read, and the words they tell it in."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django import forms

from audit.exports.access import visible_exports
from audit.exports.forms import FORMS, missing
from audit.exports.readme import archive_name
from audit.exports.sweep import KEPT
from audit.models import Export, Tree
from audit.queries import Filter, brief, names_of
from console.core.actor import Actor
from console.core.keyset import newest_first

SAID: Mapping[str, tuple[str, str]] = {  # in words, and the tone of the tag
    "requested": ("Waiting to be written", ""),
    "running": ("Being written", "live"),
    "done": ("Ready", "good"),
    "failed": ("Failed", "stop"),
    "expired": ("Expired", ""),
}
NAMES: Mapping[str, str] = {
    "kind": "Kind begins with", "subject": "Subject", "actor": "Person or process", "run": "Run", "since": "From",
    "until": "To",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """An export as people read it."""

    export: Export
    who: str

    @property
    def title(self) -> str:
        return FORMS[self.export.form].title

    @property
    def proves(self) -> bool:
        return FORMS[self.export.form].proves

    @property
    def said(self) -> str:
        return SAID[self.export.state][0]

    @property
    def tone(self) -> str:
        return SAID[self.export.state][1]

    @property
    def unfinished(self) -> bool:
        return self.export.state in {"requested", "running"}

    @property
    def gone(self) -> bool:
        return self.export.state in {"failed", "expired"}

    @property
    def query(self) -> str:
        """For the form, to ask for the same records."""
        chosen = {name: self.export.filter[name] for name in NAMES if name in self.export.filter}
        return urlencode({**chosen, **({"tree": self.closed.number} if self.closed else {})})

    @property
    def closed(self) -> Tree | None:
        """The tree, when the log has gone on in another since."""
        tree = self.export.tree
        return tree if tree and tree.closed_at else None

    @property
    def done(self) -> int:
        """Leaves that have been gone through."""
        return self.export.done - self.export.begin

    @property
    def all(self) -> int:
        return self.export.end - self.export.begin

    @property
    def percent(self) -> int:
        return 100 * self.done // self.all if self.all else 0

    @property
    def chosen(self) -> list[tuple[str, str]]:
        chosen = [(said, self.export.filter[name]) for name, said in NAMES.items() if name in self.export.filter]
        return [*([("Tree", self.closed.origin)] if self.closed else []), *chosen]

    @property
    def others(self) -> bool:
        """Whether other teams have records in the range, which are there as hashes."""
        return "team" in self.export.filter

    @property
    def expires_at(self) -> dt.datetime | None:
        return expires_at(self.export)

    @property
    def file(self) -> str:
        return archive_name(self.export)


@dataclass(frozen=True, slots=True)
class Listing:
    exports: list[Shown]
    next: str

    @property
    def unfinished(self) -> bool:
        return any(one.unfinished for one in self.exports)


def expires_at(export: Export) -> dt.datetime | None:
    """When the files of one that is done are deleted."""
    return export.finished_at + KEPT if export.state == "done" and export.finished_at else None


def list_exports(actor: Actor, *, after: str) -> Listing:
    rows = visible_exports(actor).select_related("tree").defer("previous", "written")
    page = newest_first(rows, by="requested_at", after=after)
    names = names_of(export.requested_by for export in page.items)
    return Listing([_shown(export, names) for export in page.items], page.next)


def show(export: Export) -> Shown:
    return _shown(export, names_of([export.requested_by]))


def _shown(export: Export, names: Mapping[str, str]) -> Shown:
    return Shown(export, names.get(export.requested_by) or brief(export.requested_by))


class Asked(Filter):
    """The form to ask for one: what the list of records is filtered by, the form, the tree, and a checkpoint."""

    form = forms.ChoiceField(choices=[(name, form.title) for name, form in FORMS.items()])
    tree = forms.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    previous = forms.CharField(max_length=20_000, required=False)

    @property
    def choices(self) -> list[tuple[str, str, str, str]]:
        """Value, title, what it is for, and why it cannot be had here."""
        return [(name, form.title, form.says, missing(form=name)) for name, form in FORMS.items()]

    @property
    def filter(self) -> dict[str, object]:
        return {name: value for name, value in self.cleaned_data.items() if name in NAMES and value}

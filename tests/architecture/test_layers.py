"""Rooms know only what lies below them: in imports, in relations between tables, in the order of migrations."""

import re
import subprocess
import sys
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader
from django.db.models import Field

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {"auth", "contenttypes", "sessions", "account", "mfa", "socialaccount", "messages", "staticfiles"}


def layers() -> dict[str, int]:
    """From the contract itself, highest first; rooms of one layer are strangers to each other."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contract = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]["layers"]
    return {room.strip(): height for height, layer in enumerate(contract) for room in layer.split("|")}


def label_of(room: str) -> str:
    return room.rpartition(".")[2]


HEIGHT = {label_of(room): height for room, height in layers().items()}
OURS = [config.label for config in apps.get_app_configs() if config.label in HEIGHT]


def may_know(who: str, whom: str) -> bool:
    return who == whom or HEIGHT[who] < HEIGHT[whom]


def test_imports_follow_the_layers() -> None:
    """Without its cache: a contract is to be kept by what is here now."""
    program = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    linted = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (linted.returncode, "Contracts: 2 kept, 0 broken." in linted.stdout) == (0, True), linted.stdout


def test_no_part_of_the_code_is_imported_only_when_types_are_checked() -> None:
    """The linter is told to look at those too; an option that excludes them must not slip in."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        options = tomllib.load(file)["tool"]["importlinter"]
    assert options.keys() == {"root_packages", "contracts"}
    assert all("ignore_imports" not in contract for contract in options["contracts"])


def test_every_installed_room_has_a_place_in_the_layers() -> None:
    rooms = {config.label for config in apps.get_app_configs() if (ROOT / config.name.replace(".", "/")).is_dir()}
    assert rooms == set(OURS)
    assert len(OURS) >= 9


def relations() -> list[tuple[str, str, str]]:
    """(room, field, room it points to) of every foreign key and many-to-many."""
    found = []
    for label in OURS:
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            fields: list[Field[Any, Any]] = [*model._meta.fields, *model._meta.many_to_many]
            found += [(label, f"{model.__name__}.{field.name}", field.related_model._meta.app_label)
                      for field in fields if field.related_model]  # fmt: skip
    return found


def test_relations_between_tables_point_down() -> None:
    """import-linter does not see `ForeignKey("other.Model")`."""
    found = relations()
    assert len(found) > 20
    assert [one for one in found if one[2] not in LIBRARIES and not may_know(one[0], one[2])] == []


def test_the_ground_floor_points_nowhere() -> None:
    assert {one[2] for one in relations() if one[0] == "audit"} == {"audit"}


def test_migrations_depend_downwards() -> None:
    graph = MigrationLoader(None).graph
    edges = {(key[0], parent.key[0]) for key, node in graph.node_map.items() for parent in node.parents}
    ours = {(who, whom) for who, whom in edges if who in HEIGHT and whom in HEIGHT and who != whom}
    assert ("approvals", "integrations") in ours
    assert [edge for edge in sorted(ours) if not may_know(*edge)] == []


@pytest.mark.parametrize("call", ["get_model(", "import_module(", "import_string("])
def test_nothing_is_reached_by_a_name_that_the_linter_cannot_see(call: str) -> None:
    # Folders of overlays; each room's addresses; the stand-ins that a trial and the tests start if they are there.
    known = {"console/settings.py", "console/urls.py", "console/home/supervisor.py", "console/home/testing.py"}
    known |= {"audit/verify.py"}  # an accelerator, if it is there
    rooms = [ROOT / room for room in ("approvals", "audit", "console", "integrations")]
    found = {
        file.relative_to(ROOT).as_posix() for room in rooms for file in room.rglob("*.py") if call in file.read_text()
    }
    assert found - known == set()


def test_migrations_hold_no_live_code() -> None:
    """They must do years from now what they did when they were written. Defaults of ids are names and nothing more."""
    bad = re.compile(r"^\s*from (?!django)", re.MULTILINE)
    files = [
        file
        for room in ("approvals", "audit", "console", "integrations")
        for file in (ROOT / room).rglob("migrations/0*.py")
    ]
    assert len(files) > 10
    assert [file.name for file in files if bad.search(file.read_text())] == []


def test_strangers_stay_strangers() -> None:
    """Rooms of one layer: neither points to the other."""
    pairs = [(a, b) for a, b in combinations(OURS, 2) if HEIGHT[a] == HEIGHT[b]]
    assert not {(one[0], one[2]) for one in relations()} & {pair for a, b in pairs for pair in ((a, b), (b, a))}

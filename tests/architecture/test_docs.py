"""What the documents say about the code is compared with the code, so that it stays true."""

import re
from pathlib import Path

import pytest
from django.apps import apps

from audit.vocabulary import Kind

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
CODE = sorted(
    file
    for room in ("console", "approvals", "audit", "integrations", "examples")
    for file in (ROOT / room).rglob("*.py")
    if "migrations" not in file.parts
)
TEXTS = {file.relative_to(ROOT).as_posix(): file.read_text() for file in DOCUMENTS}
# A machine's own places, the folder that colleagues of one installation have in common, and where packages come from.
# Put together here, so that this file does not mention them either.
FOREIGN = re.compile(
    "|".join([r"(?<![\w.~-])/(?:work|home|root|Users|mnt)/", r"\bshar" "ed/", r"pypi" r"\.org", r"python" r"hosted\."])
)


def names(pattern: str, text: str) -> set[str]:
    return set(re.findall(pattern, text))


def settings_in_code() -> set[str]:
    source = (ROOT / "console" / "settings.py").read_text()
    asked = {f"COUNTERSIGN_{name}" for name in names(r'\benv\("([A-Z_]+)"', source)}
    return asked | names(r"COUNTERSIGN_[A-Z_]*[A-Z]\b", "\n".join(file.read_text() for file in CODE))


def test_every_setting_is_in_the_operations_guide_and_none_that_is_gone() -> None:
    told = names(r"`(COUNTERSIGN_[A-Z_]+)`", TEXTS["docs/operations.md"])
    assert told == settings_in_code()


def kinds_by_move() -> set[str]:
    return {
        f"{model.KIND}:{state}"  # type: ignore[attr-defined]
        for model in apps.get_models()
        if hasattr(model, "TRANSITIONS")
        for state in model.TRANSITIONS
        if state != "initial"
    }


def test_every_state_that_a_row_can_reach_is_a_kind_of_record() -> None:
    """So no move fails because its kind is not in the vocabulary."""
    assert kinds_by_move() - set(Kind) == set()


def test_every_kind_of_record_is_described_once_and_none_that_is_gone() -> None:
    told = re.findall(r"(?m)^\| `([a-z_]+:[a-z_]+:[a-z_]+)` \|", TEXTS["docs/records.md"])
    assert sorted(told) == sorted(Kind)


def test_every_kind_of_record_is_written_somewhere() -> None:
    """By a move, or by name: in code that is more than a table of all kinds, or in SQL."""
    tables = {ROOT / "audit" / "vocabulary.py", ROOT / "audit" / "exports" / "ocsf.py"}
    code = "\n".join(file.read_text() for file in CODE if file not in tables)
    named = {Kind[name] for name in names(r"\bKind\.([A-Z_]+)\b", code)} | names(r"'([a-z_]+:[a-z_]+:[a-z_]+)'", code)
    assert set(Kind) - named - kinds_by_move() == set()


@pytest.mark.parametrize("name", TEXTS)
def test_kinds_that_are_named_exist(name: str) -> None:
    told = names(r"`([a-z_]+:[a-z_]+:[a-z_]+)`", TEXTS[name]) - {"source:subject:verb"}
    assert told - set(Kind) == set()


def test_a_kind_is_named_as_it_is_written() -> None:
    assert {kind.name: kind.value.partition(":")[2] for kind in Kind} == {
        kind.name: kind.name.lower().removesuffix(f"_{verb}") + f":{verb}"
        for kind in Kind
        if (verb := kind.value.rpartition(":")[2])
    }


def links(text: str) -> list[str]:
    """Targets of links. Pictures are left out: the browser tests make them."""
    return [target for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", text) if "://" not in target]


def anchors(text: str) -> set[str]:
    """Headings as GitHub names them."""
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    for target in links(TEXTS[name]):
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name}: {target}"
        assert not anchor or anchor in anchors(file.read_text()), f"{name}: {target}"


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named_exist(name: str) -> None:
    """What stands between backticks and looks like a file of the repository is one, seen from the top or from here."""
    rooms = "console|approvals|audit|integrations|examples|tests|benchmarks|docs|templates|static|requirements"
    for path in names(rf"`((?:{rooms})/[\w./-]+)(?:::\w+)?`", TEXTS[name]):
        places = (ROOT, (ROOT / name).parent)
        assert any((place / path).exists() for place in places), f"{name}: {path}"


def test_tests_that_are_named_exist() -> None:
    for name, text in TEXTS.items():
        for file, function in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
            assert f"def {function}(" in (ROOT / file).read_text(), f"{name}: {file}::{function}"


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_of_one_machine_is_mentioned(name: str) -> None:
    assert not FOREIGN.findall(TEXTS[name])


def test_examples_in_the_guide_are_valid() -> None:
    """The three documents of the guide are read by the parsers that would read them in earnest."""
    from approvals.policies.document import parse as parse_policy
    from console.workflows.spec import parse as parse_workflow
    from integrations.description import parse as parse_integration

    integration, policy, workflow = re.findall(r"(?s)```yaml\n(.*?)```", TEXTS["docs/writing-workflows.md"])
    _, operations = parse_integration(integration)
    for written in (policy, *re.findall(r"(?s)```yaml\n(.*?)```", TEXTS["docs/policies.md"])):
        parse_policy(written)
    calls = {step["call"] for step in parse_workflow(workflow)["steps"].values() if "call" in step}
    assert calls == {f"ledger.{operation.slug}" for operation in operations}

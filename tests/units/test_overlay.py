"""Overlays: what they may say, of which operations, and that nothing in them is lost without a word."""

from typing import Any

import pytest

from console.core.errors import Invalid
from integrations.openapi.operations import Imported, import_document
from integrations.openapi.report import Problem
from integrations.overlay import lay_over, read_overlay

LINK = "https://example.com/idempotency"
KEYED = f"{{mode: native_key, header: Idempotency-Key, evidence: {LINK}}}"
FIELD = {"type": "object", "properties": {"token": {"type": "string"}, "name": {"type": "string"}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "paths": {
        "/pets": {
            "get": {"operationId": "listPets"},
            "post": {"operationId": "addPet", "requestBody": {"content": {"application/json": {"schema": FIELD}}}},
        },
        "/pets/{id}": {"get": {"operationId": "getPet"}, "delete": {"operationId": "removePet"}},
        "/pets/{id}/photos": {"post": {}},
        "/all": {"post": {"operationId": "addAll", "requestBody": {"content": {"application/json": {
            "schema": {"type": "array"}}}}}},
        "/one": {"post": {"operationId": "twice"}},
        "/two": {"post": {"operationId": "twice"}},
        "/broken/{id": {"post": {"operationId": "broken"}},
    },
}  # fmt: skip


def laid(text: str) -> tuple[Imported, dict[str, dict[str, Any]]]:
    imported = import_document(DOCUMENT)
    return imported, lay_over(read_overlay(f"overlay: pets\ntitle: Pets\n{text}"), imported)


def facts(text: str) -> dict[str, dict[str, Any]]:
    """Where nothing is left over."""
    imported, made = laid(text)
    assert imported.report.unapplied == []
    return made


def unapplied(text: str) -> list[tuple[str, str]]:
    """Where nothing is applied."""
    imported, made = laid(text)
    assert made == {}
    assert imported.report.counted["overlay"] == len(imported.report.unapplied)
    return [(one.place, one.text) for one in imported.report.unapplied]


# What they may say


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("overlay: [", "line 1"),
        ("title: Pets", "'overlay' is a required property"),
        ("overlay: Pets\ntitle: Pets", "overlay (line 1): 'Pets' does not match"),
        ("overlay: pets\ntitle: Pets", "neither operations nor rules"),
        ("overlay: pets\ntitle: Pets\noperations: {addPet: {}}", "operations.addPet (line 3): {} "),
        ("overlay: pets\ntitle: Pets\noperations: {addPet: {trust: proven}}", "'trust' was unexpected"),
        ("overlay: pets\ntitle: Pets\noperations: {addPet: {path: /other}}", "'path' was unexpected"),
        ("overlay: pets\ntitle: Pets\noperations: {addPet: {effect: opaque}}", "operations.addPet.effect (line 3)"),
        (
            "overlay: pets\ntitle: Pets\noperations:\n  addPet:\n    idempotency: {mode: none}",
            "operations.addPet.idempotency (line 5): 'evidence' is a required property",
        ),
        (
            "overlay: pets\ntitle: Pets\noperations:\n  addPet:\n    idempotency: {mode: none, evidence: a friend}",
            "operations.addPet.idempotency.evidence (line 5): 'a friend' does not match",
        ),
        (
            "overlay: pets\ntitle: Pets\noperations:\n  addPet:\n    idempotency: {mode: none, evidence: 'http://x.example'}",
            "operations.addPet.idempotency.evidence (line 5)",
        ),
        (
            "overlay: pets\ntitle: Pets\nrules: [{methods: [POST], paths: [/**]}]",
            "rules.0 (line 3): ",
        ),
        (
            "overlay: pets\ntitle: Pets\nrules: [{methods: [POST], paths: [/**], idempotency: {mode: none}}]",
            "rules.0.idempotency (line 3): 'evidence' is a required property",
        ),
        ("overlay: pets\ntitle: Pets\nrules: [{methods: [post], paths: [/**], effect: write}]", "rules.0.methods.0"),
        ("overlay: pets\ntitle: Pets\nrules: [{methods: [POST], paths: [pets], effect: write}]", "rules.0.paths.0"),
        ("overlay: pets\ntitle: Pets\nrules: [{methods: [POST], paths: [/***], effect: write}]", "rules.0.paths.0"),
        (
            "overlay: pets\ntitle: Pets\nrules: [{methods: [POST], paths: [/a*a*a*a*a*a*a*b], effect: write}]",
            "rules.0.paths.0",
        ),
    ],
)
def test_what_is_no_overlay_is_refused_with_a_place(text: str, says: str) -> None:
    with pytest.raises(Invalid) as problem:
        read_overlay(text)
    assert says in problem.value.text


def test_who_and_when_may_follow_the_link() -> None:
    made = facts(f"operations: {{addPet: {{idempotency: {{mode: none, evidence: '{LINK}, read by Mira, 2026-11'}}}}}}")
    assert made["add_pet"]["idempotency"]["evidence"] == f"{LINK}, read by Mira, 2026-11"


# Of which operations


def test_an_operation_is_named_by_method_and_path_or_by_its_operation_id() -> None:
    made = facts(f"operations: {{'POST /pets': {{idempotency: {KEYED}}}, removePet: {{categories: [legal]}}}}")
    assert made == {
        "add_pet": {"idempotency": {"mode": "native_key", "header": "Idempotency-Key", "evidence": LINK}},
        "remove_pet": {"categories": ["legal"]},
    }


@pytest.mark.parametrize(
    ("methods", "paths", "found"),
    [
        ("[POST]", "[/pets]", ["add_pet"]),
        ("[GET, POST]", "['/pets*']", ["list_pets", "add_pet"]),
        ("[GET]", "['/pets/*']", ["get_pet"]),
        ("[GET]", "['/pets**']", ["list_pets", "get_pet"]),
        ("[POST]", "['/**/photos']", ["post_pets_id_photos"]),
        ("[GET]", "['/pets/{id}', /pets]", ["list_pets", "get_pet"]),
        ("[DELETE]", "['/*/{id}']", ["remove_pet"]),
    ],
)
def test_a_star_stays_within_one_part_of_the_path_and_two_do_not(methods: str, paths: str, found: list[str]) -> None:
    assert list(facts(f"rules: [{{methods: {methods}, paths: {paths}, categories: [legal]}}]")) == found


def test_headers_may_be_ignored_of_all_operations_by_one_rule() -> None:
    made = facts("rules: [{methods: [GET, POST, DELETE], paths: [/**], ignores: [Pets-Version]}]")
    assert len(made) > 3
    assert all(one == {"ignores": ["Pets-Version"]} for one in made.values())


def test_a_rule_s_path_is_no_regular_expression() -> None:
    assert unapplied("rules: [{methods: [GET], paths: ['/pet.', '/pets|'], categories: [legal]}]") == [
        ("rules.0.paths", "nothing of the document matches /pet."),
        ("rules.0.paths", "nothing of the document matches /pets|"),
    ]


def test_the_first_rule_that_matches_counts_and_an_entry_wins_field_by_field() -> None:
    made = facts(f"""
operations:
  addPet: {{categories: [security]}}
rules:
  - {{methods: [POST], paths: [/pets], categories: [legal], idempotency: {KEYED}}}
  - {{methods: [POST], paths: ['/**'], categories: [financial], sentence: Do it}}
""")
    keyed = {"mode": "native_key", "header": "Idempotency-Key", "evidence": LINK}
    assert made["add_pet"] == {"categories": ["security"], "idempotency": keyed}
    assert made["add_all"] == {"categories": ["financial"], "sentence": "Do it"}


def test_what_an_entry_says_instead_of_a_rule_the_rule_need_not_fit() -> None:
    made = facts("""
operations:
  addPet: {sentence: Add a pet}
rules: [{methods: [POST], paths: [/pets], sentence: "Add ${{ arguments.nobody }}", categories: [legal]}]
""")
    assert made == {"add_pet": {"categories": ["legal"], "sentence": "Add a pet"}}


# What is left over


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("operations: {'POST /cats': {effect: write}}", "POST /cats", "is not in the document"),
        ("operations: {broken: {effect: write}}", "broken", "not among what can be called"),
        ("operations: {twice: {effect: write}}", "twice", "is the operationId of several operations"),
        ("rules: [{methods: [PATCH], paths: [/**], effect: write}]", "rules.0.paths", "matches /**"),
    ],
)
def test_what_finds_no_operation_is_told(text: str, place: str, says: str) -> None:
    ((where, what),) = unapplied(text)
    assert where == place
    assert says in what


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("addPet: {effect: read}", "addPet → POST /pets", "only GET is known to change nothing"),
        ("addPet: {sentence: 'To ${{ arguments.nobody }}'}", "addPet → POST /pets", "there is no argument 'nobody'"),
        ("addPet: {sentence: 'To ${{ [ }}'}", "addPet → POST /pets", "is not an expression"),
        (
            f"addPet: {{idempotency: {{mode: native_key, evidence: '{LINK}'}}}}",
            "addPet → POST /pets", "carries the key",
        ),
        (
            f"addPet: {{idempotency: {{mode: native_key, body: key, evidence: '{LINK}'}}}}",
            "addPet → POST /pets", "the body has no field 'key'",
        ),
        (
            f"addAll: {{idempotency: {{mode: native_key, body: key, evidence: '{LINK}'}}}}",
            "addAll → POST /all", "the body is one argument",
        ),
        (
            "addPet: {probe: {operation: list_cats, happened: '[0]'}}",
            "addPet → POST /pets", "'list_cats' is not an operation of effect read",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_operation_is_told(text: str, place: str, says: str) -> None:
    ((where, what),) = unapplied(f"operations: {{{text}}}")
    assert where == place
    assert says in what


def test_a_field_of_the_body_that_is_there_carries_the_key() -> None:
    told = f"{{mode: native_key, body: token, evidence: '{LINK}'}}"
    assert facts(f"operations: {{addPet: {{idempotency: {told}}}}}")["add_pet"]["idempotency"]["body"] == "token"


def test_one_that_does_not_fit_takes_nothing_else_with_it() -> None:
    imported, made = laid("""
operations:
  addPet: {effect: read}
  removePet: {categories: [legal]}
rules: [{methods: [POST], paths: [/pets, /all], categories: [financial]}]
""")
    assert made == {
        "add_pet": {"categories": ["financial"]}, "add_all": {"categories": ["financial"]},
        "remove_pet": {"categories": ["legal"]},
    }  # fmt: skip
    assert [one.place for one in imported.report.unapplied] == ["addPet → POST /pets"]


def test_a_probe_falls_with_the_read_that_it_relies_on() -> None:
    """`getPet` is made no read, which fits; a probe by it then does not."""
    imported, made = laid("""
operations:
  getPet: {effect: write}
  removePet: {probe: {operation: get_pet, arguments: {id: "${{ arguments.id }}"}, happened: "[@]"}}
""")
    assert list(made) == ["get_pet"]
    assert [one.place for one in imported.report.unapplied] == ["removePet → DELETE /pets/{id}"]


def test_what_falls_out_is_looked_for_again() -> None:
    """The second relies on the first being a read, which a POST is not before a person says so."""
    imported, made = laid("""
operations:
  removePet: {probe: {operation: add_pet, happened: "[@]"}}
  addPet: {effect: read}
""")
    assert made == {}
    assert [one.place for one in imported.report.unapplied] == ["addPet → POST /pets", "removePet → DELETE /pets/{id}"]


def test_two_entries_for_one_operation_are_told() -> None:
    imported, made = laid("operations: {addPet: {categories: [legal]}, 'POST /pets': {categories: [security]}}")
    assert made == {"add_pet": {"categories": ["legal"]}}
    assert imported.report.unapplied == [Problem("POST /pets", "overlay", "is the same operation as addPet")]


def test_a_rule_that_never_comes_first_is_told() -> None:
    imported, _ = laid("""
rules:
  - {methods: [POST], paths: ['/**'], categories: [legal]}
  - {methods: [POST], paths: [/pets], categories: [security]}
""")
    assert imported.report.unapplied == [
        Problem("rules.1", "overlay", "an earlier rule matches whatever this one does"),
    ]

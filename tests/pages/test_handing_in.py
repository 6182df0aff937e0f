"""A document is read by a worker: whatever happens to workers, nothing that was handed in is lost."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from audit.models import Record
from console.accounts.models import Membership, Team, User
from console.accounts.people import set_membership
from console.core import presence
from console.core.actor import Role, system
from examples.demo.people import acting
from integrations import handing_in, sweep
from integrations.handing_in import MOST_ATTEMPTS, hand_in, read_import
from integrations.models import Import, Integration, Operation
from tests.pages.conftest import NOWHERE, Enter
from tests.pages.test_importing import DOCUMENT

DATA = json.dumps(DOCUMENT).encode()


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the worker 1, and lives."""
    monkeypatch.setattr(presence, "number", lambda: 1)
    monkeypatch.setattr(presence, "alive", lambda: {1})


def handed_in(office: Team) -> Import:
    return hand_in(
        DATA, slug="parcels", title="Parcels", base_url=NOWHERE, credential_type="none", credential_settings={},
        actor=acting("mira"),
    )  # fmt: skip


def fresh(one: Import) -> Import:
    return Import.objects.get(pk=one.pk)


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def test_what_was_handed_in_is_read_once_and_then_gone(office: Team) -> None:
    one = handed_in(office)
    read_import(one.pk)
    read_import(one.pk)
    done = fresh(one)
    assert (done.state, done.document, done.attempts) == ("done", None, 1)
    assert done.report is not None
    assert (done.report["added"], done.report["operations"], done.report["left_out_count"]) == (2, 3, 1)
    assert Operation.objects.filter(integration__slug="parcels").count() == 2
    kinds = Record.objects.filter(subject=one.pk).values_list("kind", flat=True)
    assert sorted(kinds) == [f"integrations:import:{state}" for state in ("done", "reading", "waiting")]


def test_another_worker_reads_what_one_has_died_over(office: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    one = handed_in(office)
    monkeypatch.setattr(handing_in, "import_openapi", dies)
    with pytest.raises(KeyboardInterrupt):
        read_import(one.pk)
    assert fresh(one).state == "reading"
    read_import(one.pk)  # its worker still lives
    assert fresh(one).attempts == 1
    monkeypatch.undo()
    monkeypatch.setattr(presence, "number", lambda: 2)
    monkeypatch.setattr(presence, "alive", lambda: {2})
    read_import(one.pk)
    assert (fresh(one).state, fresh(one).attempts) == ("done", 2)


def test_a_document_that_ends_every_worker_is_given_up(office: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    one = handed_in(office)
    monkeypatch.setattr(handing_in, "import_openapi", dies)
    monkeypatch.setattr(presence, "alive", set)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            read_import(one.pk)
    read_import(one.pk)
    assert (fresh(one).state, fresh(one).document) == ("failed", None)
    assert "given up" in fresh(one).error


def dies(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_fault_of_ours_is_told_as_such(office: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_in, "import_openapi", lambda *_, **__: 1 / 0)
    one = handed_in(office)
    read_import(one.pk)
    assert (fresh(one).state, fresh(one).error) == ("failed", handing_in.OURS)


def test_whoever_is_no_admin_any_more_imports_nothing(office: Team) -> None:
    one = handed_in(office)
    mira = User.objects.get(username="mira")
    set_membership(mira, office, roles=[Role.AUDITOR], groups=[], actor=system("tests"))
    read_import(one.pk)
    assert fresh(one).state == "failed"
    assert not Integration.objects.filter(slug="parcels").exists()
    assert Membership.objects.filter(user=mira).exists()


def test_a_document_that_sql_has_changed_is_not_read(office: Team) -> None:
    one = handed_in(office)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE integrations_import SET document = convert_to('{}', 'UTF8')")
    read_import(one.pk)
    assert fresh(one).state == "failed"
    assert "signature" in fresh(one).error


def test_the_sweep_offers_what_waits_and_what_was_died_over(office: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(sweep, "wake", lambda task, queue, identity: woken.append(identity))
    one = handed_in(office)
    later = fresh(one).asked_at + 2 * sweep.GRACE
    monkeypatch.setattr(sweep, "now", lambda: later)
    assert sweep.offer_imports() == 1
    monkeypatch.setattr(handing_in, "import_openapi", dies)
    with pytest.raises(KeyboardInterrupt):
        read_import(one.pk)
    assert sweep.offer_imports() == 0
    monkeypatch.setattr(presence, "alive", set)
    assert sweep.offer_imports() == 1
    assert woken == [one.pk, one.pk]


def test_the_page_shows_how_far_it_is_and_fetches_itself(office: Team, enter: Enter) -> None:
    mira: Client = enter("mira")
    one = handed_in(office)
    address = f"/integrations/imports/{one.pk}/"
    page = text(mira.get(address))
    assert "It waits for a worker." in page
    piece = text(mira.get(address, headers={"HX-Request": "true"}))
    assert piece.startswith('<div id="import"')
    assert 'hx-trigger="every 1s"' in piece
    read_import(one.pk)
    done = text(mira.get(address, headers={"HX-Request": "true"}))
    assert "2 operations added" in done
    assert "No sentence says what it does</td>" in done
    assert "<span>1: <code>add_parcel</code> </span>" in done
    assert "hx-trigger" not in done

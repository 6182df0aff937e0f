"""Exports as auditors see them: asked for, watched, taken away, and on record; and what nobody else gets."""

import html
import io
import json
import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zipfile import ZipFile

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.exports import work_off
from audit.exports.files import archive_of, delete_files
from audit.exports.request import request_export
from audit.models import Checkpoint, Export, Record
from audit.move import move
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Team
from console.core.actor import system
from examples.demo.people import acting
from tests.audit.conftest import SignedLog, SignerInProcess
from tests.pages.conftest import Enter, everything_but_the_log

PIECE = {"HX-Request": "true"}
NOTHING = {"form": "jsonl"}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, settings: Any) -> Path:
    settings.STATE_DIR = tmp_path
    return tmp_path


@pytest.fixture
def theo(office: Team, enter: Enter) -> Client:
    return enter("theo")


@pytest.fixture
def log(office: Team, tmp_path: Path) -> SignedLog:
    signed = SignedLog(SignerInProcess(tmp_path / "signer"))
    for number in range(30):
        record(Kind.STEP_READY, subject=f"stp_{number}", actor=acting("jonas"))
    signed.sequence()
    return signed


def text(answer: Any) -> str:
    return str(answer.content.decode())


def ask(form: str = "bundle", **filter: str) -> Export:
    return request_export(acting("theo"), form=form, filter=filter)


def made(form: str = "bundle", **filter: str) -> Export:
    export = ask(form, **filter)
    assert work_off(threading.Event())
    export.refresh_from_db()
    return export


def failed() -> Export:
    export = ask()
    move(export, "failed", actor=system("publisher"), error="No good.")
    return export


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def told(kind: Kind) -> list[dict[str, Any]]:
    return [json.loads(bytes(one.leaf)) for one in Record.objects.filter(kind=kind).order_by("at")]


# Asking


def test_form_takes_over_what_the_list_of_records_shows(theo: Client) -> None:
    page = text(theo.get("/audit/?kind=runs:step:&since=2026-11-01"))
    address = re.search(r'href="([^"]*)">Export what is shown', page)
    assert address
    assert html.unescape(address[1]) == "/audit/exports/new/?kind=runs%3Astep%3A&since=2026-11-01"
    form = text(theo.get(html.unescape(address[1])))
    assert 'name="kind" list="kinds" value="runs:step:"' in form
    assert 'name="since" type="date" value="2026-11-01"' in form
    assert re.search(r'value="bundle" checked', form)


def test_what_is_asked_for_waits_and_is_shown(theo: Client) -> None:
    answer = theo.post("/audit/exports/new/", {"form": "csv", "kind": "runs:", "until": "2026-11-20"})
    export = Export.objects.get()
    assert answer["Location"] == f"/audit/exports/{export.pk}/"
    assert (export.form, export.filter, export.state) == ("csv", {"kind": "runs:", "until": "2026-11-20"}, "requested")
    page = text(theo.get(answer["Location"]))
    for part in ("Waiting to be written", "runs:", "2026-11-20", "Theo Brandt"):
        assert part in page


def test_checkpoint_goes_through_the_form_whatever_it_does_to_line_ends(theo: Client, log: SignedLog) -> None:
    note = Checkpoint.objects.order_by("-size")[0].note
    theo.post("/audit/exports/new/", {"form": "bundle", "previous": note.strip().replace("\n", "\r\n")})
    assert Export.objects.get().previous == note


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"form": "docx"}, "Choose one of these."),
        ({}, "Choose one of these."),
        ({**NOTHING, "since": "yesterday"}, "A day is written like"),
        ({**NOTHING, "since": "2026-11-20", "until": "2026-11-01"}, "The last day lies before the first."),
        ({"form": "bundle", "previous": "nonsense"}, "This is no checkpoint of this log."),
        ({"form": "bundle", "previous": "x" * 20_001}, "This is too long for a checkpoint."),
    ],
)
def test_what_cannot_be_asked_for_is_said_and_kept(
    theo: Client, log: SignedLog, given: dict[str, str], said: str
) -> None:
    answer = theo.post("/audit/exports/new/", {"kind": "runs:<b>", **given})
    assert answer.status_code == 422
    assert said in text(answer)
    assert 'value="runs:&lt;b&gt;"' in text(answer)
    assert not Export.objects.exists()


def test_too_many_are_refused_with_what_to_do(theo: Client) -> None:
    for _ in range(5):
        theo.post("/audit/exports/new/", NOTHING)
    answer = theo.post("/audit/exports/new/", NOTHING)
    assert answer.status_code == 409
    assert "Wait until one is done." in text(answer)
    assert Export.objects.count() == 5


# Watching


def test_list_tells_each_state_in_words_and_watches_what_is_written(theo: Client, log: SignedLog) -> None:
    made("csv", kind="runs:"), failed()
    quiet = text(theo.get("/audit/exports/"))
    for part in ("Ready", "Failed", "No good.", "CSV", "Kind begins with <bdi>runs:</bdi>", "Theo Brandt"):
        assert part in quiet
    assert "every 2s" not in quiet
    ask()
    busy = theo.get("/audit/exports/", headers=PIECE)
    assert "<html" not in text(busy)
    assert 'hx-trigger="every 2s"' in text(busy)


def test_list_without_exports_says_how_to_get_the_first(theo: Client) -> None:
    page = text(theo.get("/audit/exports/"))
    assert "Nothing was exported yet" in page
    assert "/audit/exports/new/" in page


def test_pages_of_the_list_follow_each_other_without_gap_or_repeat(theo: Client) -> None:
    wanted = [failed().pk for _ in range(55)]
    seen, address = list[str](), "/audit/exports/"
    while address:
        page = text(theo.get(address))
        seen += re.findall(r'href="/audit/exports/(exp_\w+)/"', page)
        older = re.search(r'href="(\?after=[^"]*)" rel="next"', page)
        address = f"/audit/exports/{older[1]}" if older else ""
    assert seen == wanted[::-1]


def test_page_of_one_watches_it_until_it_is_done(theo: Client, log: SignedLog) -> None:
    export = ask()
    address = f"/audit/exports/{export.pk}/"
    piece = text(theo.get(address, headers=PIECE))
    assert "<html" not in piece
    assert 'hx-trigger="every 1s"' in piece
    assert "Download" not in piece
    work_off(threading.Event())
    piece = text(theo.get(address, headers=PIECE))
    assert "every 1s" not in piece
    assert f"{address}download/" in piece
    export.refresh_from_db()
    assert export.digest in piece


def test_page_says_how_to_check_it_without_the_console(theo: Client, log: SignedLog) -> None:
    export = made()
    page = html.unescape(text(theo.get(f"/audit/exports/{export.pk}/")))
    answer = theo.get(f"/audit/exports/{export.pk}/download/")
    file = answer["Content-Disposition"].split('"')[1]
    assert body(answer)
    assert f"python3 verify.py {file}" in page
    assert re.search(rf"--key 'localhost[^']+' {file}", page)


def test_page_of_what_proves_nothing_leads_to_what_does(theo: Client, log: SignedLog) -> None:
    page = html.unescape(text(theo.get(f"/audit/exports/{made('csv', kind='runs:').pk}/")))
    assert "Not for verification" in page
    assert f"/audit/exports/new/?{urlencode({'kind': 'runs:'})}" in page
    assert "verify.py" not in page


def test_hostile_choices_are_text(theo: Client, log: SignedLog) -> None:
    export = made("jsonl", subject="<script>\u202e")
    for address in ("/audit/exports/", f"/audit/exports/{export.pk}/"):
        page = text(theo.get(address))
        assert "<script>\u202e" not in page
        assert "&lt;script&gt;" in page
        assert "U+202E" in page


def test_queries_do_not_grow_with_the_list(theo: Client) -> None:
    counts = []
    for _ in range(2):
        failed()
        theo.get("/audit/exports/")  # recorded once
        with CaptureQueriesContext(connection) as captured:
            theo.get("/audit/exports/")
        counts.append(len(captured))
        for _ in range(30):
            failed()
    assert counts[0] == counts[1]


# Taking away


def test_download_is_the_archive_and_is_recorded_each_time(theo: Client, log: SignedLog) -> None:
    export = made()
    for _ in range(2):
        answer = theo.get(f"/audit/exports/{export.pk}/download/")
        assert (answer["Content-Type"], answer["Content-Length"]) == ("application/zip", str(export.length))
        assert "no-store" in answer["Cache-Control"]
        assert answer["Content-Disposition"].startswith('attachment; filename="countersign-bundle-')
        data = body(answer)
        assert "manifest.json" in ZipFile(io.BytesIO(data)).namelist()
        assert len(data) == export.length
    downloads = [(one["actor"]["id"], one["object"], one["detail"]) for one in told(Kind.EXPORT_DOWNLOADED)]
    assert downloads == [(acting("theo").id, export.pk, {"digest": export.digest})] * 2


def test_what_is_not_ready_failed_or_gone_is_not_handed_out(theo: Client, log: SignedLog) -> None:
    gone, waiting = made("jsonl"), ask()
    archive_of(gone).unlink()
    for export, said in ((waiting, "waiting to be written"), (failed(), "failed"), (gone, "Ask for it again")):
        answer = theo.get(f"/audit/exports/{export.pk}/download/")
        assert answer.status_code == 409
        assert said in text(answer)
    move(gone, "expired", actor=system("publisher"))
    delete_files(gone)
    assert "expired" in text(theo.get(f"/audit/exports/{gone.pk}/download/"))
    assert told(Kind.EXPORT_DOWNLOADED) == []


# Who else


@pytest.mark.parametrize("who", ["ana", "jonas", "noa"])
def test_others_are_refused_and_the_attempt_is_recorded(log: SignedLog, enter: Enter, who: str) -> None:
    export, browser = made("jsonl"), enter(who)
    for address in ("", "new/", f"{export.pk}/", f"{export.pk}/download/"):
        assert browser.get(f"/audit/exports/{address}").status_code == 403
    assert browser.get("/audit/exports/", headers=PIECE).status_code == 403
    assert browser.post("/audit/exports/new/", NOTHING).status_code == 403
    assert [(one["actor"]["id"], one["detail"]["page"]) for one in told(Kind.ACCESS_REFUSED)] == [
        (acting(who).id, "exports"), (acting(who).id, "export")]  # fmt: skip
    assert Export.objects.count() == 1


def test_export_of_another_team_does_not_exist(log: SignedLog, stranger: Client) -> None:
    export = made("jsonl")
    for address in (f"{export.pk}/", f"{export.pk}/download/", "exp_none/", "exp_none/download/"):
        assert stranger.get(f"/audit/exports/{address}").status_code == 404
    assert export.pk not in text(stranger.get("/audit/exports/"))
    assert [one["detail"]["page"] for one in told(Kind.ACCESS_REFUSED)] == ["export"]


def test_other_methods_are_refused_and_visitors_sign_in(log: SignedLog, theo: Client) -> None:
    export = made("jsonl")
    for address, method in (("", "post"), (f"{export.pk}/", "post"), (f"{export.pk}/download/", "post"),
                            (f"{export.pk}/download/", "head"), ("new/", "put")):  # fmt: skip
        assert getattr(theo, method)(f"/audit/exports/{address}").status_code == 405
    visitor = Client(headers={"host": "localhost"})
    for address in ("", "new/", f"{export.pk}/", f"{export.pk}/download/"):
        assert visitor.get(f"/audit/exports/{address}")["Location"].startswith("/sign-in/")


def test_looking_writes_nothing_but_the_log(log: SignedLog, theo: Client) -> None:
    export = made("jsonl")
    before = everything_but_the_log()
    for address in ("", "new/", f"{export.pk}/"):
        theo.get(f"/audit/exports/{address}")
    assert everything_but_the_log() == before
    assert [one["detail"]["page"] for one in told(Kind.PAGE_READ)] == ["exports", "export"]


# Programs


def test_programs_read_what_there_is(log: SignedLog, theo: Client) -> None:
    export = made(kind="runs:step:")
    listed = theo.get("/api/v1/exports").json()
    assert [one["id"] for one in listed["items"]] == [export.pk]
    one = theo.get(f"/api/v1/exports/{export.pk}").json()
    assert one == listed["items"][0]
    assert {name: one[name] for name in ("form", "state", "filter", "records", "digest", "length", "reached")} == {
        "form": "bundle", "state": "done", "filter": {"kind": "runs:step:"}, "records": 30, "digest": export.digest,
        "length": export.length, "reached": export.end,
    }  # fmt: skip
    assert len(body(theo.get(f"/api/v1/exports/{export.pk}/download"))) == export.length
    assert len(told(Kind.EXPORT_DOWNLOADED)) == 1


def test_programs_are_told_when_there_is_nothing_to_fetch(log: SignedLog, theo: Client, stranger: Client) -> None:
    export = ask()
    answer = theo.get(f"/api/v1/exports/{export.pk}/download")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_ready")
    assert stranger.get(f"/api/v1/exports/{export.pk}").status_code == 404
    assert stranger.get("/api/v1/exports").json()["items"] == []

"""Pages in one file: whole scripts, a policy that names exactly them, and data that stays data."""

import hashlib
import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from audit import offline
from tests.audit.test_verify_in_javascript import NODE

PAGES = {"verify": "verify_page.js", "dossier": "dossier_page.js"}


def sources(page: str, name: str) -> list[str]:
    found = re.search(rf"{name}-src ([^;\"]*)", page)
    return found[1].split() if found else []


def digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("name", PAGES)
def test_the_policy_names_the_one_script_and_the_one_style(name: str) -> None:
    page = offline.page(name, PAGES[name], {})
    (script,), (style,) = (re.findall(pattern, page, re.S) for pattern in (
        r'<script type="module">(.*?)</script>', r"<style>(.*?)</style>"))  # fmt: skip
    assert sources(page, "default") == ["'none'"]
    assert (sources(page, "script"), sources(page, "style")) == ([digest(script)], [digest(style)])
    assert not re.search(r"\son[a-z]+=|\sstyle=|https?://", page)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.skipif(not NODE, reason="Node is not installed")
def test_scripts_are_whole(name: str, tmp_path: Path) -> None:
    (tmp_path / "script.mjs").write_text(offline.bundled(PAGES[name]))
    subprocess.run([NODE, "--check", str(tmp_path / "script.mjs")], check=True)


@pytest.mark.parametrize(
    "data", ["</script><script>alert(1)</script>", "<!--", "&lt;", "\u2028\u2029", '"\\', {"<b>": ["é\U0001f600"]}]
)
def test_data_cannot_become_markup(data: Any) -> None:
    text = re.findall(r'id="data">(.*?)</script>', offline.page("dossier", "dossier_page.js", data), re.S)[0]
    assert json.loads(text) == data
    assert not set("<>&") & set(text)


@pytest.fixture
def modules(tmp_path: Path, settings: Any) -> Path:
    settings.BASE_DIR = tmp_path
    folder = tmp_path / "static" / "js" / "audit"
    folder.mkdir(parents=True)
    return folder


def test_modules_come_before_those_that_need_them_and_once(modules: Path) -> None:
    (modules / "one.js").write_text(
        'import { two } from "./two.js";\nimport { three } from "./three.js";\nexport const one = two;\n'
    )
    (modules / "two.js").write_text('import { three } from "./three.js";\nexport const [two, other] = [three, 2];\n')
    (modules / "three.js").write_text("export async function* three() {}\nexport class Four {}\n")
    script = offline.bundled("one.js")
    assert re.findall(r"^// (\w+)\.js$", script, re.M) == ["three", "two", "one"]
    assert re.findall(r"^return \{ (.*) \};$", script, re.M) == ["three, Four", "two, other", "one"]


@pytest.mark.parametrize(("text", "fault"), [
    ('import { a } from "./one.js";\n', "need each other"), ('import "./other.js";\n', "cannot be inlined"),
    ('import a from "./other.js";\n', "cannot be inlined"), ("export default 1;\n", "cannot be inlined"),
    ('const end = "</script>";\n', "its own end"),
])  # fmt: skip
def test_what_cannot_be_inlined_is_refused(modules: Path, text: str, fault: str) -> None:
    (modules / "one.js").write_text(text)
    with pytest.raises(ValueError, match=fault):
        offline.bundled("one.js")

"""`python3 manage.py` in a bare checkout: it makes its environment, and notices a stale one."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from console.home import testing

ROOT = Path(__file__).resolve().parent.parent.parent
BARE = [sys.executable, "-I", "-S"]  # no site-packages: a Python without Django

DJANGO = {
    "django/__init__.py": "",
    "django/core/__init__.py": "",
    "django/core/management/__init__.py": "def execute_from_command_line(argv): print('ran', *argv[1:])",
}
PYTEST = {"pytest/__init__.py": "", "pytest/__main__.py": "import sys; print('tested', *sys.argv[1:])"}


class Checkout:
    """manage.py beside lists that name small wheels of ours instead of the real packages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "requirements").mkdir(exist_ok=True)
        shutil.copy(ROOT / "manage.py", path)
        testing = path / "console" / "home"
        testing.mkdir(parents=True, exist_ok=True)
        (testing / "testing.py").write_text(
            "import pytest, sys\ndef main(arguments):\n    print('tested', *arguments)\n    return 3\n"
        )
        self.lock("product", django := self.wheel("django", "1", DJANGO))
        self.lock("development", django + self.wheel("pytest", "1", PYTEST))

    def lock(self, name: str, text: str) -> None:
        (self.path / "requirements" / f"{name}.txt").write_text(text)

    def wheel(self, name: str, version: str, files: dict[str, str]) -> str:
        """Its line for a list, with the hash."""
        file = self.path / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        files = {
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},{digest(text)},{len(text)}\n" for path, text in files.items())
        with zipfile.ZipFile(file, "w") as archive:
            for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
                archive.writestr(path, text)
        return f"./{file.name} --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return subprocess.run(
            [*BARE, str(self.path / "manage.py"), *arguments],
            cwd=self.path.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


def digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkout")


@pytest.fixture
def checkout(path: Path) -> Checkout:
    """Fresh lists; the environment may be that of an earlier test, which saves seconds."""
    (path / ".venv" / "installed.sha256").unlink(missing_ok=True)
    return Checkout(path)


def test_the_first_command_makes_the_environment_and_the_second_uses_it(checkout: Checkout) -> None:
    shutil.rmtree(checkout.path / ".venv", ignore_errors=True)
    first, second = checkout.manage("up", "--demo"), checkout.manage("up")
    assert (first.returncode, first.stdout) == (0, "ran up --demo\n")
    assert first.stderr == f"Installing requirements/product.txt into {checkout.path / '.venv'} …\n"
    assert (second.returncode, second.stdout, second.stderr) == (0, "ran up\n", "")


def test_test_adds_what_a_product_environment_lacks(checkout: Checkout) -> None:
    checkout.manage("up")
    testing = checkout.manage("test", "--long")
    assert (testing.returncode, testing.stdout) == (3, "tested --long\n")
    assert "requirements/development.txt" in testing.stderr
    # The larger list contains the smaller: going back installs nothing.
    assert checkout.manage("up").stderr == ""


def test_a_changed_list_is_installed(checkout: Checkout) -> None:
    checkout.manage("up")
    program = "def execute_from_command_line(argv): print('newer')"
    newer = checkout.wheel("django", "2", {**DJANGO, "django/core/management/__init__.py": program})
    checkout.lock("product", newer)
    checkout.lock("development", newer + checkout.wheel("pytest", "1", PYTEST))
    assert checkout.manage("up").stdout == "newer\n"


def test_a_package_with_another_hash_is_refused(checkout: Checkout) -> None:
    checkout.lock("product", checkout.wheel("django", "1", DJANGO)[:-9] + "00000000\n")
    refusal = checkout.manage("up")
    assert refusal.returncode == 1
    assert "pip could not install what Countersign needs:" in refusal.stderr
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in refusal.stderr
    assert "Traceback" not in refusal.stderr


def test_an_old_python_is_told_so() -> None:
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 1); sys.version = '3.9.1 (main)';"
        f"sys.argv = ['manage.py']; runpy.run_path({str(ROOT / 'manage.py')!r}, run_name='__main__')"
    )
    old = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (old.returncode, old.stderr) == (1, "Countersign needs Python 3.11 or newer; this is 3.9.1.\n")


def test_long_is_heard_whatever_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "side_by_side", list)
    thorough = "--hypothesis-profile=long"
    assert testing.calls([], long=False) == [["-m", "not browser and not long"], ["-m", "browser and not long"]]
    assert testing.calls([], long=True) == [[thorough, "-m", "not browser"], [thorough, "-m", "browser"]]
    assert testing.calls(["-v", "tests/units"], long=True) == [[thorough, "-v", "tests/units"]]


@pytest.mark.long
def test_the_real_lists_install_in_a_bare_copy(tmp_path: Path) -> None:
    for name in ("manage.py", "requirements", "console"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    done = subprocess.run([*BARE, str(tmp_path / "manage.py"), "version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5.2")

"""The program as an auditor has it: one file, in a folder of theirs, without packages, environment or network."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audit.verify
from audit.verify import Options, Source, Unreadable, Verification
from tests.audit.bundles import Bundle, bundle_of, failed
from tests.audit.written import Written, a_log

# Whatever reaches for the network, a process or a package ends the program. (`copy` of the library asks for Jython.)
WATCH = """
import runpy, sys
ALLOWED = sys.stdlib_module_names | {"cryptography", "org"}
def watch(event, arguments):
    if event.split(".")[0] in {"socket", "subprocess", "ctypes", "urllib"} or event in {"os.system", "os.exec"}:
        raise SystemExit(f"It reached out: {event}")
    if event == "import" and arguments[0].split(".")[0] not in ALLOWED:
        raise SystemExit(f"It needs {arguments[0]}")
sys.addaudithook(watch)
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def log() -> Written:
    return a_log()


def alone(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.copy(audit.verify.__file__, place / "verify.py")
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", WATCH, str(program), *arguments]
    return subprocess.run(command, env={}, cwd=place, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_it_needs_nothing_but_python_and_no_network(tmp_path: Path, alg: str) -> None:
    log = a_log(alg)
    bundle_of(log, previous=20).archive(tmp_path / "bundle.zip")
    (tmp_path / "policy").write_text(log.policy)
    (tmp_path / "kept").write_text(log.note(20))
    done = alone(tmp_path, "bundle.zip", "--policy", "policy", "--since", "kept", "--state", "state", "--lint")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n\nNothing is wrong.\n")
    assert "OPEN" not in done.stdout


def test_the_watch_sees_what_reaches_out(tmp_path: Path) -> None:
    for line in ("import socket; socket.socket()", "import subprocess; subprocess.run(['true'])", "import django"):
        (tmp_path / "other.py").write_text(line)
        command = [sys.executable, "-I", "-S", "-c", WATCH, str(tmp_path / "other.py")]
        done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "It reached out" in done.stderr or "It needs django" in done.stderr


def test_it_runs_inside_the_bundle_and_says_what_is_wrong(log: Written, tmp_path: Path) -> None:
    bundle = bundle_of(log)
    bundle.files["verify.py"] = Path(audit.verify.__file__).read_bytes()
    bundle.leaves = bundle.leaves[:-1]
    bundle.seal()
    done = alone(bundle.folder(tmp_path), ".", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["verdicts"]["completeness"]["state"] == "failed"


def test_wrong_arguments_are_told_from_failures(log: Written, tmp_path: Path) -> None:
    bundle_of(log).archive(tmp_path / "bundle.zip")
    for arguments in (["missing.zip"], ["bundle.zip", "--key", "rubbish"], ["bundle.zip", "--since", "missing"], [],
                      ["bundle.zip", "--policy", "bundle.zip"]):  # fmt: skip
        assert alone(tmp_path, *arguments).returncode == 2


def test_a_name_in_the_bundle_does_not_steer_the_terminal(log: Written, tmp_path: Path) -> None:
    bundle = bundle_of(log)
    bundle.seal(made_by="\x1b[2Jeverything is fine")
    done = alone(bundle.folder(tmp_path))
    assert "\x1b" not in alone(tmp_path, ".").stdout + done.stdout


def verified(path: Path) -> Verification | None:
    try:
        verification = Verification(Source(path), Options())
    except Unreadable:
        return None
    verification.run()
    return verification


def test_a_zip_that_is_damaged_fails_and_names_the_file(log: Written, tmp_path: Path) -> None:
    path = bundle_of(log).archive(tmp_path / "bundle.zip")
    data = bytearray(path.read_bytes())
    data[5_000] ^= 1
    path.write_bytes(data)
    done = verified(path)
    assert done is not None
    assert "leaves.jsonl is damaged" in done.verdicts["integrity"].problems[0]
    assert {"integrity", "completeness", "decisions", "disclosures"} <= failed(done)


def test_a_zip_with_two_files_of_one_name_or_an_odd_compression_cannot_be_read(log: Written, tmp_path: Path) -> None:
    bundle = bundle_of(log)
    path = bundle.archive(tmp_path / "bundle.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("leaves.jsonl", b"")
    assert verified(path) is None
    assert verified(bundle.archive(tmp_path / "odd.zip", zipfile.ZIP_BZIP2)) is None


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spoilt")


def spoil(bundle: Bundle, data: st.DataObject) -> str:
    """One byte of one file; says which file."""
    name = data.draw(st.sampled_from(sorted(bundle.files)))
    content = bytearray(bundle.files[name])
    if content:
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    bundle.files[name] = bytes(content)
    return name


@pytest.mark.parametrize("instead", [b"\t", b" ", b"\r", b"\n\n", b""], ids=repr)
def test_a_consistency_proof_has_one_form(log: Written, tmp_path: Path, instead: bytes) -> None:
    bundle = bundle_of(log, 3, 30, previous=20)
    first, last = bundle.files["consistency.txt"].split(b"\n", 1), bundle.files["consistency.txt"][:-1]
    for number, altered in enumerate([instead.join(first), last + instead]):
        bundle.files["consistency.txt"] = altered
        bundle.seal()
        done = verified(bundle.folder(tmp_path / str(number)))
        assert done is not None
        assert failed(done) == {"history"}


@given(st.data())
def test_no_byte_of_any_file_but_the_manifest_can_be_altered(log: Written, spoilt: Path, data: st.DataObject) -> None:
    whole = bundle_of(log, 3, 30, chosen=[4, 14, 20, 27], previous=20)
    bundle = whole.copy()
    name = spoil(bundle, data)
    done = verified(bundle.folder(spoilt))
    if bundle.files == whole.files:
        assert done is not None
        assert failed(done) == set()
    elif name != "manifest.json":
        assert done is not None
        assert "integrity" in failed(done)


@given(st.data())
def test_whatever_is_altered_gets_a_verdict(log: Written, spoilt: Path, data: st.DataObject) -> None:
    """Also with a manifest that was made to fit: then the log's signature decides, and nothing ends in an error."""
    whole = bundle_of(log, 3, 30, chosen=[4, 14, 20, 27], previous=20)
    bundle = whole.copy()
    names = {spoil(bundle, data) for _ in range(data.draw(st.integers(1, 3)))} - {"manifest.json"}
    bundle.seal()
    done = verified(bundle.folder(spoilt))
    assert done is not None
    told = {"README.txt", "policy", "previous-checkpoint", "disclosures.jsonl", "decisions.jsonl", "checkpoint"}
    if any(bundle.files[name] != whole.files[name] for name in names - told):
        assert failed(done)

"""Commits in a repository of somebody else's."""

import contextlib
import os
import resource
import signal
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.anchors import AnchorFailed, Receipt, build
from audit.anchors.git import Clone, GitAnchor
from console.home.children import wait_until
from tests.audit.growing import Log
from tests.audit.peers import PASSWORD, USER, certificate, git_over_http, program, serving

FILE = "log.example%2F1.checkpoint"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote.git"
    program("git", "init", "--quiet", "--bare", path)
    program("git", "-C", path, "config", "receive.denyNonFastForwards", "true")
    return path


def anchor(remote: Path | str, log: Log, size: int | None = None, **changes: Any) -> Receipt:
    size = log.size if size is None else size
    config = {"kind": "git", "remote": str(remote), "state": os.environ["ANCHOR_STATE"], **changes}
    return build(config).anchor(log.note(size), origin=log.origin, size=size)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANCHOR_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def git(remote: Path, *arguments: str) -> str:
    return program("git", "-C", remote, *arguments).decode().strip()


def test_the_receipt_is_the_commit_that_holds_the_note(remote: Path) -> None:
    log = Log().grow(5)
    receipt = anchor(remote, log, branch="log/main", author="The Log", email="log@log.example")
    commit = receipt.data.decode()
    assert git(remote, "rev-parse", "log/main") == commit
    assert program("git", "-C", remote, "cat-file", "blob", f"{commit}:{FILE}").decode() == log.note()
    assert git(remote, "show", "-s", "--format=%an %ae|%cn %ce|%B", commit) == (
        "The Log log@log.example|The Log log@log.example|Checkpoint 5 of log.example/1"
    )
    assert receipt.place == f"{remote} log/main:{FILE}"


def test_it_adds_to_what_others_have_pushed(remote: Path, tmp_path: Path) -> None:
    log = Log().grow(5)
    anchor(remote, log, 3)
    clone = tmp_path / "clone"
    program("git", "clone", "--quiet", "--branch", "main", remote, clone)
    (clone / "README").write_text("Checkpoints of the log.\n")
    program("git", "add", "README", cwd=clone)
    program("git", "-c", "user.name=A", "-c", "user.email=a@audit.example", "commit", "-qm", "Say what", cwd=clone)
    program("git", "push", "--quiet", "origin", "HEAD:main", cwd=clone)
    anchor(remote, log)
    anchor(remote, Log("log.example/2").grow(1))
    assert git(remote, "ls-tree", "--name-only", "main").split() == [
        "README", FILE, "log.example%2F2.checkpoint",
    ]  # fmt: skip
    assert git(remote, "rev-list", "--count", "main") == "4"


def rewritten(remote: Path) -> None:
    tree = git(remote, "rev-parse", "main~1^{tree}")
    ours = ["-c", "user.name=A", "-c", "user.email=a@audit.example"]
    commit = git(remote, *ours, "commit-tree", tree, "-m", "Nothing happened")
    git(remote, "update-ref", "refs/heads/main", commit)


def gone(remote: Path) -> None:
    git(remote, "update-ref", "-d", "refs/heads/main")


@pytest.mark.parametrize("change", [rewritten, gone])
def test_a_history_that_was_rewritten_is_told_and_nothing_is_pushed_to_it(remote: Path, change: Any) -> None:
    log = Log().grow(9)
    anchor(remote, log, 3)
    anchor(remote, log, 5)
    change(remote)
    before = git(remote, "for-each-ref")
    with pytest.raises(AnchorFailed, match=r"^The history there was rewritten: "):
        anchor(remote, log)
    assert git(remote, "for-each-ref") == before


def test_a_push_that_is_refused_leaves_nothing_and_another_try_succeeds(remote: Path) -> None:
    log = Log().grow(5)
    anchor(remote, log, 3)
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not now >&2\nexit 1\n")
    hook.chmod(0o755)
    before = git(remote, "rev-parse", "main")
    with pytest.raises(AnchorFailed, match=r"^git: remote: not now; "):
        anchor(remote, log)
    assert git(remote, "rev-parse", "main") == before
    hook.unlink()
    anchor(remote, log)
    assert git(remote, "rev-list", "--count", "main") == "2"


def test_a_push_that_comes_too_late_is_not_forced(remote: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else has pushed between our look and our push, and the remote would let itself be forced."""
    log = Log().grow(9)
    git(remote, "config", "receive.denyNonFastForwards", "false")
    anchor(remote, log, 3)

    def push(clone: Clone, commit: str) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("ANCHOR_STATE", f"{state}-of-another")
        anchor(remote, log, 9)
        monkeypatch.setenv("ANCHOR_STATE", str(state))
        clone.push(commit)

    monkeypatch.setattr(Clone, "push", push)
    with pytest.raises(AnchorFailed, match=r"rejected"):
        anchor(remote, log, 5)
    assert git(remote, "show", f"main:{FILE}") == log.note().strip()
    with pytest.raises(AnchorFailed, match="A checkpoint of 9 leaves is kept there"):
        anchor(remote, log, 5)


def test_what_was_pushed_without_an_answer_is_found_again(remote: Path, state: Path) -> None:
    log = Log().grow(5)
    first = anchor(remote, log)
    program("git", "--git-dir", state / "repository.git", "update-ref", "-d", "refs/anchor/pushed")
    assert anchor(remote, log) == first
    assert git(state / "repository.git", "rev-parse", "refs/anchor/pushed").encode() == first.data


def test_a_lost_state_is_made_again(remote: Path, tmp_path: Path) -> None:
    log = Log().grow(5)
    anchor(remote, log, 3)
    anchor(remote, log, state=str(tmp_path / "another"))
    with pytest.raises(AnchorFailed, match="A checkpoint of 5 leaves is kept there"):
        anchor(remote, log, 4, state=str(tmp_path / "third"))


def test_a_remote_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnchorFailed, match=r"^git: fatal: .*nowhere"):
        anchor(tmp_path / "nowhere.git", Log().grow(1))


def test_a_full_disk_fails_and_another_try_succeeds(remote: Path, state: Path) -> None:
    log = Log().grow(5)
    anchor(remote, log, 3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(AnchorFailed, match=r"^git: "):
            anchor(remote, log)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    anchor(remote, log)
    assert git(remote, "rev-list", "--count", "main") == "2"


def test_the_settings_of_who_runs_it_are_left_out(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[url "{tmp_path}/elsewhere"]\n\tinsteadOf = {remote}\n[commit]\n\tgpgSign = true\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    commit = anchor(remote, Log().grow(1)).data
    assert program("git", "--git-dir", remote, "rev-parse", "main").strip() == commit


def test_over_https_it_signs_in_with_the_password_of_the_file(remote: Path, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path / "tls")
    git(remote, "config", "http.receivepack", "true")
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    log = Log().grow(5)
    with serving(git_over_http(remote.parent)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://localhost:{server.server_address[1]}/remote.git"
        options: dict[str, Any] = {"username": USER, "password_file": str(secret), "ca_file": str(cert)}
        receipt = anchor(url, log, **options)
        assert git(remote, "rev-parse", "main").encode() == receipt.data
        with pytest.raises(AnchorFailed, match="certificate"):
            anchor(url, log, **{**options, "ca_file": str(certificate(tmp_path / "other")[0])})
        secret.write_text("wrong-horse\n")
        with pytest.raises(AnchorFailed) as failed:
            anchor(url, log, **options)
    assert "wrong-horse" not in str(failed.value)
    assert not [file for file in Path(os.environ["ANCHOR_STATE"]).rglob("*")
                if file.is_file() and PASSWORD.encode() in file.read_bytes()]  # fmt: skip


SSH = """#!/bin/sh
echo "$@" > {said}
for command; do :; done
exec sh -c "$command"
"""


def test_over_ssh_it_signs_in_with_the_key_and_only_at_the_known_host(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a program in the place of ssh, which runs here what the host would run."""
    said, ssh = tmp_path / "said", tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(SSH.format(said=said))
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    files: dict[str, Any] = {"key_file": "/keys/a key", "known_hosts_file": "/keys/hosts"}
    receipt = anchor(f"ssh://git@git.example{remote}", Log().grow(1), **files)
    assert git(remote, "rev-parse", "main").encode() == receipt.data
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=/keys/hosts", "IdentitiesOnly=yes",
                   "IdentityFile=/keys/a key"):  # fmt: skip
        assert f"-o {option} " in said.read_text()


def test_what_it_has_started_ends_with_its_time(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the child of a child."""
    born, ssh = tmp_path / "born", tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {born}\nwait\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    with pytest.raises(AnchorFailed, match=r"^It was not done within 1 seconds\.$"):
        anchor(f"ssh://git@git.example{remote}", Log().grow(1), timeout=1)
    child = int(born.read_text())
    ended = wait_until(lambda: not is_running(child), patience=30)  # told to end, and gone when it next gets its turn
    if not ended:
        os.kill(child, signal.SIGKILL)
    assert ended


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_git_that_is_killed_at_any_moment_leaves_a_state_that_works(remote: Path, state: Path) -> None:
    log = Log().grow(5)
    hasty = build({"kind": "git", "remote": str(remote), "state": str(state)})
    assert isinstance(hasty, GitAnchor)
    for milliseconds in range(1, 60, 3):
        with contextlib.suppress(AnchorFailed):
            replace(hasty, seconds=milliseconds / 1000).anchor(log.note(), origin=log.origin, size=5)
    anchor(remote, log)
    assert git(remote, "show", f"main:{FILE}") == log.note().strip()
    assert git(remote, "rev-list", "--count", "main") == "1"

"""`kind: git`: each checkpoint is a commit, pushed to a repository of the auditor's, who allows no forced push.

One file for each log; its history is what is kept. Nothing here is ever forced, and when the remote's history is no
longer the one that was pushed to, nothing is pushed any more.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Self
from urllib.parse import quote

from audit.anchors.base import (
    AnchorFailed,
    Deadline,
    Options,
    Receipt,
    alone,
    check_continues,
    read_checkpoint,
    read_secret,
    telling_why,
)
from audit.anchors.program import output, run

SEEN, PUSHED = "refs/anchor/seen", "refs/anchor/pushed"
# Asked by git for what it needs to sign in; the secret is in the environment of this one program.
HELPER = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$ANCHOR_USER" "$ANCHOR_PASSWORD"; }; f'


@dataclass(frozen=True)
class GitAnchor:
    remote: str
    branch: str
    state: Path
    author: str
    email: str
    seconds: float
    username: str = ""
    password_file: str = ""
    key_file: str = ""
    known_hosts_file: str = ""
    ca_file: str = ""
    kind: ClassVar[str] = "git"

    @classmethod
    def read(cls, options: Options) -> Self:
        branch, (remote, parts) = options.text("branch", "main"), options.split("remote")
        if remote.startswith("-") or "::" in remote or parts.password or (parts.scheme != "ssh" and parts.username):
            raise options.wrong("remote", "has to be an address or a path, and without user and password")
        if branch.startswith("-") or ".." in branch or not all(c.isalnum() or c in "._/-" for c in branch):
            raise options.wrong("branch", "is not the name of a branch")
        anchor = cls(
            remote, branch, options.path("state"), options.text("author", "Countersign"),
            options.text("email", "countersign@localhost"), options.seconds(), *options.sign_in(),
            options.file("key_file"), options.file("known_hosts_file"),
            options.file("ca_file"),
        )  # fmt: skip
        if anchor.username and parts.scheme != "https":
            raise options.wrong("remote", "is not https: the password could be read on the way")
        if anchor.key_file and not anchor.known_hosts_file:
            raise options.wrong("known_hosts_file", "is missing: it names the host that `key_file` signs in to")
        return anchor

    def anchor(self, note: str, *, origin: str, size: int) -> Receipt:
        """The receipt is the id of a commit in the remote whose file of this log is the note."""
        checkpoint = read_checkpoint(note, origin, size)
        with self._clone() as clone:
            head, path = clone.fetch(), f"{quote(origin, safe='')}.checkpoint"
            kept = clone.show(head, path) if head else ""
            if kept:
                check_continues(kept, checkpoint)
            if head and kept == note:
                clone.remember(head)
                commit = head
            else:
                commit = clone.commit(head, path, note, f"Checkpoint {size} of {origin}")
                clone.push(commit)
        return Receipt(commit.encode(), f"{self.remote} {self.branch}:{path}")

    @contextmanager
    def _clone(self) -> Iterator["Clone"]:
        """Alone with it: two at once would each see what the other leaves behind."""
        deadline = Deadline(self.seconds)
        with telling_why(self.state):
            self.state.mkdir(parents=True, exist_ok=True)
            place = os.open(self.state, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with alone(place, deadline), TemporaryDirectory() as home:
                    ours = {"HOME": home, "GIT_INDEX_FILE": f"{home}/index"}
                    clone = Clone(self, deadline, {**self._environment(), **ours})
                    clone.open()
                    yield clone
            finally:
                os.close(place)

    def _environment(self) -> dict[str, str]:
        people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                  for what, value in (("NAME", self.author), ("EMAIL", self.email))}  # fmt: skip
        config = {"credential.helper": "", "gc.autoDetach": "false", "http.followRedirects": "false"}
        if self.ca_file:
            config["http.sslCAInfo"] = self.ca_file
        secrets = {}
        if self.username:
            secrets = {
                "ANCHOR_USER": self.username,
                "ANCHOR_PASSWORD": read_secret("password_file", self.password_file),
            }
        pairs = [*config.items(), *([("credential.helper", HELPER)] if secrets else [])]
        numbered = {f"GIT_CONFIG_{part}_{i}": text for i, pair in enumerate(pairs)
                    for part, text in zip(("KEY", "VALUE"), pair, strict=True)}  # fmt: skip
        return {
            **people, **secrets, **numbered, "GIT_CONFIG_COUNT": str(len(pairs)), "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_DIR": str(self.state / "repository.git"), "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:http:https:ssh", "GIT_SSH_COMMAND": shlex.join(self._ssh()),
        }  # fmt: skip

    def _ssh(self) -> list[str]:
        options = {"BatchMode": "yes", "StrictHostKeyChecking": "yes"}
        if self.known_hosts_file:
            options["UserKnownHostsFile"] = self.known_hosts_file
        if self.key_file:
            options |= {"IdentitiesOnly": "yes", "IdentityFile": self.key_file}
        return ["ssh", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


@dataclass(frozen=True)
class Clone:
    """A repository without files of its own. What fails leaves objects that nobody sees, and nothing else."""

    anchor: GitAnchor
    deadline: Deadline
    environment: Mapping[str, str]

    @property
    def branch(self) -> str:
        return f"refs/heads/{self.anchor.branch}"

    def git(self, *arguments: str, given: bytes = b"") -> str:
        command = ["git", *arguments]
        return output(command, self.deadline, given=given, environment=self.environment).decode(errors="replace")

    def asks(self, *arguments: str) -> bool:
        """Of a command that answers with its code. Raises AnchorFailed when it cannot answer."""
        code, _, complaint = run(["git", *arguments], self.deadline, environment=self.environment)
        if code > 1:
            raise AnchorFailed(f"git: {complaint}")
        return code == 0

    def open(self) -> None:
        """Whoever is alone here and finds a lock, finds what a git that was killed has left."""
        place = self.anchor.state / "repository.git"
        for lock in (*place.glob("*.lock"), *place.glob("refs/**/*.lock")):
            lock.unlink()
        self.git("init", "--quiet", "--bare", "--template=")

    def fetch(self) -> str:
        """The last commit of the branch, "" when there is none. Raises AnchorFailed when what was pushed is gone."""
        there = self.git("ls-remote", "--heads", "--", self.anchor.remote, self.branch)
        if there:
            self.git("fetch", "--quiet", "--no-tags", "--", self.anchor.remote, f"+{self.branch}:{SEEN}")
        head = self.git("rev-parse", "--verify", SEEN).strip() if there else ""
        if self.asks("rev-parse", "--quiet", "--verify", PUSHED) and not (
            head and self.asks("merge-base", "--is-ancestor", PUSHED, head)
        ):
            raise AnchorFailed("The history there was rewritten: the commit that was pushed last is no longer in it.")
        return head

    def show(self, commit: str, path: str) -> str:
        """The file, or "" when the commit has none of this name."""
        listed = self.git("ls-tree", "--full-tree", "-z", commit, "--", path)
        return self.git("cat-file", "blob", f"{commit}:{path}") if listed else ""

    def commit(self, parent: str, path: str, note: str, message: str) -> str:
        blob = self.git("hash-object", "-w", "--stdin", given=note.encode()).strip()
        if parent:
            self.git("read-tree", parent)
        self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = self.git("write-tree").strip()
        parents = ["-p", parent] if parent else []
        return self.git("commit-tree", tree, *parents, given=message.encode()).strip()

    def push(self, commit: str) -> None:
        self.git("push", "--quiet", "--", self.anchor.remote, f"{commit}:{self.branch}")
        self.remember(commit)

    def remember(self, commit: str) -> None:
        self.git("update-ref", PUSHED, commit)

"""Names and addresses that lead inside, through the system's own resolver, up to the socket."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpcore
import pytest

from console.home.processes import ROOT
from integrations.outbound import NotSent
from tests.attacks.peer import ask, look, saying, serving

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
INSIDE = [
    "169.254.169.254", "2852039166", "0xA9FEA9FE", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518",
    "169.16689662", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::169.254.169.254]", "[2002:a9fe:a9fe::1]", "[fd00:ec2::254]", "[fe80::a9fe:a9fe]", "127.1", "0",
    "2130706433", "0x7f.1", "017700000001", "localhost", "localhost.", "LOCALHOST", "[::]", "[::1]",
    "[0:0:0:0:0:0:0:1]", "192.0.0.192", "0xC00000C0", "192.192", "[::ffff:192.0.0.192]", "[64:ff9b::c000:c0]",
    "[fec0::1]", "[64:ff9b:1:a00:0:100:808:808]",
]  # fmt: skip


@pytest.fixture
def strict(settings: Any) -> None:
    settings.ALLOWED_NETWORKS = []


def is_known(host: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(socket.getaddrinfo(host.strip("[]"), 80, type=socket.SOCK_STREAM))
    return False


def test_no_way_to_write_it_leads_inside(strict: None) -> None:
    """That a resolver does not know it would keep a host of this list from being dialled too: none but a name may."""
    unknown = {host for host in INSIDE if not is_known(host)}
    assert unknown <= {"localhost."}
    with serving(saying(ANSWER)) as peer:
        for host in INSIDE:
            refused = f"{host}: " if host in unknown else f"{host.strip('[]').lower()} resolves to "
            with pytest.raises(NotSent, match=f"^{re.escape(refused)}") as said:
                ask(look(f"http://{host}:{peer.port}"))
            assert host in unknown or str(said.value).endswith(", which is neither public nor allowed")
    assert peer.heard == []


def test_letters_that_fold_to_digits_are_no_address(strict: None) -> None:
    for digits in ("\uff11\uff16\uff19", "\u2460\u2465\u2468"):
        with pytest.raises(NotSent):
            ask(look(f"http://{digits}.254.169.254"))


class Rebinding:
    """A resolver that tells another address each time it is asked for the name."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, port: int, *rest: Any, **more: Any) -> list[tuple[Any, ...]]:
        if host == "rebinding.test":
            host = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]  # as it answers for a number


@pytest.fixture
def rebinding(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Rebinding:
    """127.0.0.2 stands for an address of the attacker that the door may dial, 127.0.0.1 for what is inside."""
    settings.ALLOWED_NETWORKS = ["127.0.0.2/32"]
    resolver = Rebinding("127.0.0.2", "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


def test_a_name_is_resolved_once_and_what_was_checked_is_dialled(rebinding: Rebinding) -> None:
    with serving(saying(ANSWER), "127.0.0.2") as outside, serving(saying(ANSWER), "127.0.0.1", outside.port) as inside:
        assert ask(look(f"http://rebinding.test:{outside.port}")).status == 200
        assert (rebinding.asked, len(outside.heard), inside.heard) == (1, 1, [])
        assert b"Host: rebinding.test:" in outside.heard[0]
        with pytest.raises(NotSent, match=r"resolves to 127\.0\.0\.1"):
            ask(look(f"http://rebinding.test:{outside.port}"))
    assert (len(outside.heard), inside.heard) == (1, [])


def test_a_name_server_of_the_attackers_gets_one_connection_to_itself(tmp_path: Path) -> None:
    """With the system's own resolver and a real name server, where the system lets us have a network of our own."""
    alone = ["unshare", "--map-root-user", "--mount", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("This system gives no namespaces of one's own.")
    program = [*alone, sys.executable, "-m", "tests.attacks.rebinding_program", str(tmp_path)]
    done = subprocess.run(program, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    asked, outside, inside, ends = json.loads(done.stdout.splitlines()[-1])
    assert (asked, outside, inside, ends[0]) == (2, 1, 0, "200")
    assert "rebinding.test resolves to 127.0.0.1" in ends[1]


def test_a_name_with_a_public_and_an_inner_address_is_dialled_at_neither(
    rebinding: Rebinding, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    dialled: list[str] = []
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", lambda _, host, *__: dialled.append(host))
    with pytest.raises(NotSent, match=r"resolves to 127\.0\.0\.1"):
        ask(look("http://rebinding.test"))
    assert dialled == []

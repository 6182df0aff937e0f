"""People who want mail at any hour, a mail server, a chat that speaks TLS, and a clock that can be put ahead."""

import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from console.accounts.models import Team, User
from console.accounts.people import create_user, set_membership
from console.core.clock import now
from console.notices.channels import open_channel
from console.notices.models import WEBHOOK, Address, Channel, Preference
from examples.demo.people import acting
from integrations import outbound
from tests.audit import test_anchor_mail
from tests.audit.peers import certificate
from tests.audit.test_anchor_mail import post_office
from tests.pages.conftest import DOOR, PASSWORD, at_the_office, enter, furnished, hold, office, stranger
from tests.servers import served

__all__ = ["at_the_office", "enter", "furnished", "hold", "office", "stranger"]

STAFF = {"bea": ["finance"], "cleo": ["finance", "legal"], "emil": ["legal"]}
ROUND_THE_CLOCK = {"days": list(range(7)), "begins": 0, "ends": 0}


@dataclass
class Clock:
    """Ahead of the real one. What is stored by the code under test has moments of this one."""

    ahead: dt.timedelta = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return now() + self.ahead

    def forward(self, **time: float) -> None:
        self.ahead += dt.timedelta(**time)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("plan", "deliver"):
        monkeypatch.setattr(f"console.notices.{module}.now", clock)
    return clock


def listening(username: str, **wants: Any) -> User:
    """One who has said where, and that any hour will do."""
    user = User.objects.get(username=username)
    Preference.objects.update_or_create(user=user, defaults={**ROUND_THE_CLOCK, **wants})
    Address.objects.get_or_create(user=user, defaults={"email": f"{username}@people.example", "confirmed_at": now()})
    return user


@pytest.fixture
def staff(office: Team) -> None:
    """Ana and Bea of finance, Cleo also of legal, Emil of legal alone."""
    for name, groups in STAFF.items():
        user = create_user(name, name.capitalize(), actor=DOOR)
        user.set_password(PASSWORD)
        user.save(update_fields=["password", "password_attestation"])
        set_membership(user, office, roles=["reviewer"], groups=groups, actor=DOOR)
        listening(name)
    listening("ana")


class Inbox(test_anchor_mail.Inbox):
    """The server looks at every member of it, and no single text is in letters of several parts."""

    notes: ClassVar[list[str]] = []


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    """A real SMTP server, and the settings that lead to it."""
    inbox = Inbox()
    settings.MAIL_FROM = "console@countersign.example"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = "localhost", False, False
    with post_office(inbox) as port:
        settings.EMAIL_PORT = port
        yield inbox


def letters_to(inbox: Inbox, username: str) -> list[EmailMessage]:
    return [one for one in inbox.letters if one["To"] == f"{username}@people.example"]


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass
class Receiver:
    """Another program that is told. `answer` says what it does with each call."""

    port: int = 0
    calls: list[Call] = field(default_factory=list)
    answer: Callable[[Call], tuple[int, dict[str, str]]] = lambda call: (204, {})

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/services/T000/the-secret-of-this-address"


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("receiver"))


@pytest.fixture
def receiver(tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    trusting = ssl.create_default_context(cafile=str(tls[0]))
    monkeypatch.setattr(outbound, "_context", lambda: trusting)
    receiver = Receiver()
    with _serving(receiver, tls) as port:
        receiver.port = port
        yield receiver


@contextmanager
def _serving(receiver: Receiver, tls: tuple[Path, Path]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            call = Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            receiver.calls.append(call)
            status, headers = receiver.answer(call)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    server = ThreadingHTTPServer(("localhost", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with served(server):
        yield server.server_address[1]


def a_channel(receiver: Receiver, kind: str = WEBHOOK, *groups: str) -> Channel:
    return open_channel(kind=kind, name="The office", url=receiver.url, groups=groups, actor=acting("mira"))

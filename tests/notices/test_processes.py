"""A real door, with its own role in the database, and acts of the console with theirs."""

import datetime as dt
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from console.accounts.models import Team
from console.core.clock import now
from console.home.processes import ROOT, manage
from console.notices.models import Event, Message
from tests.conftest import a_clone
from tests.notices.conftest import Inbox, Receiver, letters_to
from tests.pages.conftest import Hold
from tests.stack import Stack, wait_until

ACTS = """
import datetime as dt
from console.accounts.models import User
from console.core.clock import now
from console.notices import channels, people, rota
from examples.demo.people import acting
ana, mira = acting("ana"), acting("mira")
people.set_preference({"days": list(range(7)), "begins": 0, "ends": 0}, actor=ana)
people.set_address("ana@people.example", actor=ana)
hour = dt.timedelta(hours=1)
entry = rota.add_entry(group="finance", person=ana.id, begins=now(), ends=now() + hour, actor=mira)
rota.remove_entry(entry, actor=mira)
given = {"name": "x", "url": "URL", "actor": mira}
channels.end_channel(channels.open_channel(kind="chat", **given), actor=mira)
channels.try_channel(channels.open_channel(kind="webhook", **given), actor=mira)
"""
CONFIRM = """
from console.notices.people import confirm_address
from examples.demo.people import acting
confirm_address("TOKEN", actor=acting("ana"))
"""


@pytest.fixture
def office(furnished: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Team]:
    with django_db_blocker.unblock(), a_clone(furnished):
        yield Team.objects.get()


@pytest.fixture
def stack(office: Team, tmp_path: Path, tls: tuple[Path, Path], inbox: Inbox, settings: Any) -> Iterator[Stack]:
    mail = {"HOST": "localhost", "PORT": str(settings.EMAIL_PORT), "TLS": "none", "FROM": "console@here.example"}
    extra = {f"COUNTERSIGN_MAIL_{name}": value for name, value in mail.items()}
    database = str(settings.DATABASES["default"]["NAME"])
    stack = Stack(database, tmp_path, SSL_CERT_FILE=str(tls[0]), **extra)
    try:
        yield stack
    finally:
        stack.stop()


def act(stack: Stack, code: str) -> None:
    """As the role of web, with the console's key."""
    done = subprocess.run(manage("shell", "-v0", "-c", code), env=stack.environment("command"), cwd=ROOT,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_real_door_delivers_what_others_ask_for(stack: Stack, hold: Hold, inbox: Inbox, receiver: Receiver) -> None:
    """Each has no more rights than its role."""
    act(stack, ACTS.replace("URL", receiver.url))
    stack.start("door")
    wait_until(lambda: receiver.calls and inbox.envelopes, f"test and question arrive: {stack.tail('door')}")
    assert b"countersign.test" in receiver.calls[0].body
    [link] = re.findall(r"/confirm/(\S+)/", str(letters_to(inbox, "ana")[0].get_content()))
    act(stack, CONFIRM.replace("TOKEN", link))
    with transaction.atomic():  # the door sees them as old ones at once
        hold()
        hold()
        Event.objects.update(at=now() - dt.timedelta(minutes=3))
    wait_until(lambda: len(receiver.calls) > 1 and len(inbox.envelopes) > 1, f"they arrive: {stack.tail('door')}")
    assert letters_to(inbox, "ana")[1]["Subject"] == "2 actions wait for you"
    assert json.loads(receiver.calls[1].body)["data"]["waiting"] == 2
    door = stack.processes["door"]
    door.send_signal(signal.SIGTERM)
    assert door.wait(20) == 0
    assert set(Message.objects.values_list("why_not", "next_at")) == {("", None)}
    assert "rror" not in stack.tail("door")

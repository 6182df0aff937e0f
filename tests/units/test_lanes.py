"""The door's lanes do the door's tasks, survive a task that fails, and end when they are told to."""

import json
import threading
from collections.abc import Iterator

import pytest
from django.test import override_settings

from console.core import lanes
from console.core.valkey import client, place
from tests.services import services


@pytest.fixture
def valkey() -> Iterator[None]:
    """One of the tests' own, empty."""
    with override_settings(CHANNEL_URL=services().valkey.channel_url):
        client.cache_clear()
        client().delete(place(lanes.ACTIONS))
        yield
        client.cache_clear()


def test_each_message_is_done_and_a_fault_stops_nothing(valkey: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, done = threading.Event(), list[str]()

    def drive(action: str) -> None:
        if action == "act_bad":
            raise LookupError("no such action")
        done.append(action)
        if action == "act_last":
            stop.set()

    monkeypatch.setattr(lanes, "_task", lambda name: drive)
    for action in ("act_1", "act_bad", "act_2", "act_last"):
        lanes.push("approvals.tasks.drive", (action,))
    client().lpush(place(lanes.ACTIONS), b"rubbish")
    lanes.run(stop, 1)
    assert done == ["act_1", "act_2", "act_last"]


@pytest.mark.parametrize("name", ["console.dispatch.tasks.work", "celery.chord", "os.system", ""])
def test_the_door_is_woken_for_its_own_work_only(name: str) -> None:
    with pytest.raises(LookupError):
        lanes._task(name)


def test_what_nobody_takes_does_not_grow_for_ever(valkey: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST", 3)
    for number in range(5):
        lanes.push("approvals.tasks.drive", (f"act_{number}",))
    left = [json.loads(one)[1] for one in client().lrange(place(lanes.ACTIONS), 0, -1)]
    assert left == [["act_2"], ["act_3"], ["act_4"]]

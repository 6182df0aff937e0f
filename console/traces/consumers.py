"""The websocket of every page: subscribe to topics of one's own team, hear that they changed."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from console.accounts.actors import TEAM_KEY, active_membership, human, memberships_of
from console.accounts.limits import has_ended
from console.accounts.models import User
from console.core.actor import ANONYMOUS, Actor
from console.core.clock import now
from console.traces.live import group, person

MOST_TOPICS = 20
LOOK = 30.0  # seconds; so late may a session end here that ended by its limits


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """`{"subscribe": ["runs", "run.run_…"]}` → `{"topic": "runs"}` at once, and when it changed. No content travels.

    The first notice is for what changed after the page was rendered and before it was subscribed.
    """

    async def connect(self) -> None:
        self.topics: set[str] = set()
        self.watching: asyncio.Task[None] | None = None
        self.actor = await database_sync_to_async(self._actor)()
        if not self.actor.interactive or not self.actor.team:
            await self.close(code=4401)
            return
        await self.channel_layer.group_add(person(self.actor.id), self.channel_name)
        await self.accept()
        self.watching = asyncio.create_task(self._watch())

    def _actor(self) -> Actor:
        """Whoever the session is of now: it may have ended since the websocket was opened."""
        session = SessionStore(self.scope["session"].session_key)
        user = get_user(cast(HttpRequest, SimpleNamespace(session=session)))
        if not isinstance(user, User) or has_ended(session, now()):
            return ANONYMOUS
        return human(user, active_membership(memberships_of(user), session.get(TEAM_KEY)), auth="session")

    async def _watch(self) -> None:
        """Until this is no longer the same person in the same team."""
        while await database_sync_to_async(self._team)() == self.actor.team:
            await asyncio.sleep(LOOK)
        await self.close(code=4401)

    def _team(self) -> str:
        return self._actor().team

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        wanted = content.get("subscribe") if isinstance(content, dict) else None
        if not isinstance(wanted, list) or not all(isinstance(topic, str) for topic in wanted):
            await self.close(code=4400)
            return
        for topic in wanted[:MOST_TOPICS]:
            if topic.replace(".", "").replace("_", "").isalnum() and len(topic) < 80 and topic not in self.topics:
                self.topics.add(topic)
                await self.channel_layer.group_add(group(self.actor.team, topic), self.channel_name)
                await self.changed({"topic": topic})

    async def disconnect(self, code: int) -> None:
        if self.watching is not None:
            self.watching.cancel()
            await self.channel_layer.group_discard(person(self.actor.id), self.channel_name)
        for topic in self.topics:
            await self.channel_layer.group_discard(group(self.actor.team, topic), self.channel_name)

    async def ended(self, event: dict[str, Any]) -> None:
        await self.close(code=4401)

    async def changed(self, event: dict[str, Any]) -> None:
        await self.send_json({"topic": event["topic"]})

"""The websocket of every page: subscribe to topics of one's own team, hear that they changed."""

from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from console.accounts.actors import TEAM_KEY, active_membership, human, memberships_of
from console.accounts.models import User
from console.core.actor import ANONYMOUS, Actor
from console.traces.live import group

MOST_TOPICS = 20


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """`{"subscribe": ["runs", "run.run_…"]}` → `{"topic": "runs"}` at once, and when it changed. No content travels.

    The first notice is for what changed after the page was rendered and before it was subscribed.
    """

    async def connect(self) -> None:
        self.topics: set[str] = set()
        self.actor = await database_sync_to_async(self._actor)()
        if not self.actor.interactive or not self.actor.team:
            await self.close(code=4401)
            return
        await self.accept()

    def _actor(self) -> Actor:
        user = self.scope["user"]
        if not isinstance(user, User):
            return ANONYMOUS
        return human(user, active_membership(memberships_of(user), self.scope["session"].get(TEAM_KEY)), auth="session")

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
        for topic in self.topics:
            await self.channel_layer.group_discard(group(self.actor.team, topic), self.channel_name)

    async def changed(self, event: dict[str, Any]) -> None:
        await self.send_json({"topic": event["topic"]})

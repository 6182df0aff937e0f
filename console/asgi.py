"""What the ASGI server runs: pages and the API over HTTP, the agents' doors of MCP and of plain requests beside them,
the addresses of webhooks, and "changed" notices over a websocket."""

import os
from typing import Any

import django
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup(set_prefix=False)

# Only now are the apps loaded, which consumers import.
from console.gateway import hooks, mcp, raw  # noqa: E402
from console.home.serving import Pages  # noqa: E402
from console.traces.routing import websocket_urlpatterns  # noqa: E402
from integrations.webhooks.receive import PATH  # noqa: E402

pages = Pages()

# A browser sends the session cookie from any page to any websocket, so the origin decides, exactly as configured.
routes = URLRouter(websocket_urlpatterns)  # type: ignore[arg-type]  # the stubs know only a pattern of their own
notices = OriginValidator(AuthMiddlewareStack(routes), [settings.ORIGIN])


async def over_http(scope: Any, receive: Any, send: Any) -> None:
    await _door(scope["path"])(scope, receive, send)


def _door(path: str) -> Any:
    if path == mcp.PATH:
        return mcp.serve
    beside = {raw.PATH: raw.serve, PATH: hooks.serve}
    return next((serve for start, serve in beside.items() if path.startswith(start)), pages)


application = ProtocolTypeRouter({"http": over_http, "websocket": notices})

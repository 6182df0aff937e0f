"""What the ASGI server runs: pages and the API over HTTP, the agents' doors of MCP and of plain requests beside them,
and "changed" notices over a websocket."""

import os
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
pages = get_asgi_application()

# Only now are the apps loaded, which consumers import.
from console.gateway import mcp, raw  # noqa: E402
from console.traces.routing import websocket_urlpatterns  # noqa: E402

# A browser sends the session cookie from any page to any websocket, so the origin decides, exactly as configured.
routes = URLRouter(websocket_urlpatterns)  # type: ignore[arg-type]  # the stubs know only a pattern of their own
notices = OriginValidator(AuthMiddlewareStack(routes), [settings.ORIGIN])


async def over_http(scope: Any, receive: Any, send: Any) -> None:
    door = mcp.serve if scope["path"] == mcp.PATH else raw.serve if scope["path"].startswith(raw.PATH) else pages
    await door(scope, receive, send)


application = ProtocolTypeRouter({"http": over_http, "websocket": notices})

from django.urls import path

from console.traces.consumers import LiveConsumer

websocket_urlpatterns = [path("live/", LiveConsumer.as_asgi())]  # type: ignore[arg-type]  # Channels routes ASGI applications

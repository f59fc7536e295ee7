"""The WebSocket addresses of the product."""

from django.urls import path, re_path

from sessions.realtime.consumers import SessionConsumer, UnknownPath

websocket_urlpatterns = [
    path("ws", SessionConsumer.as_asgi()),
    re_path(r"", UnknownPath.as_asgi()),
]

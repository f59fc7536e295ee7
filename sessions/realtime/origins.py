"""The Origin check of sockets: a page comes from a host of ours or a listed origin, a native app has none."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import OriginValidator, WebsocketDenier
from django.conf import settings

from synckairos.conf import conf
from synckairos.http.cors import LOCAL_PAGE
from synckairos.http.gate import PROBE_HOST


class SocketOrigins(OriginValidator):  # type: ignore[misc]  # Channels has no types
    """A missing Origin passes: our credentials are tokens, which a foreign page does not have."""

    def __init__(self, application: Any) -> None:
        hosts = [*settings.ALLOWED_HOSTS]
        hosts.remove(PROBE_HOST)  # no page's, unless the operator says so too
        super().__init__(application, [*hosts, *settings.CSRF_TRUSTED_ORIGINS, *conf().cors_origins])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        try:
            for name, value in scope["headers"]:
                if name == b"origin":
                    urlsplit(value.decode("latin-1")).port  # noqa: B018 - raises for what is no address
        except ValueError:
            return await WebsocketDenier()(scope, receive, send)
        return await super().__call__(scope, receive, send)

    def valid_origin(self, parsed_origin: Any) -> bool:
        """Whether this page may connect."""
        if parsed_origin is None:
            return True
        is_local = conf().cors_local and re.fullmatch(LOCAL_PAGE, parsed_origin.geturl()) is not None
        return is_local or bool(super().valid_origin(parsed_origin))

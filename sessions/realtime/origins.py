"""The Origin check of sockets: a page comes from a host of ours or a listed origin, a native app has none."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import OriginValidator
from django.conf import settings

from synckairos.conf import conf
from synckairos.errors import Forbidden
from synckairos.http import allowed_hosts, asgi, security_log
from synckairos.http.admission import reject_handshake
from synckairos.http.cors import LOCAL_ORIGIN
from synckairos.http.security_log import Reason


class SocketOrigins(OriginValidator):  # type: ignore[misc]  # Channels has no types
    """A missing Origin passes: our credentials are tokens, which a foreign page does not have."""

    def __init__(self, application: Any) -> None:
        ours = [*allowed_hosts.configured_hosts(), *settings.CSRF_TRUSTED_ORIGINS, *conf().cors_origins]
        super().__init__(application, ours)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        if all(map(self._is_good, asgi.headers(scope, b"origin"))):
            return await self.application(scope, receive, send)
        security_log.log_refused_connection(Reason.BAD_ORIGIN, scope)
        return await reject_handshake(Forbidden("Pages of this origin may open no sockets here"), scope, receive, send)

    def _is_good(self, origin: str) -> bool:
        try:
            parsed = urlsplit(origin)
            parsed.port  # noqa: B018 - raises for what is no address
        except ValueError:
            return False
        return self.valid_origin(parsed)

    def valid_origin(self, parsed_origin: Any) -> bool:
        """Return true for an origin that may connect."""
        is_local = conf().cors_local and re.fullmatch(LOCAL_ORIGIN, parsed_origin.geturl()) is not None
        return is_local or bool(self.validate_origin(parsed_origin))

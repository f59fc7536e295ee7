"""The application that servers load: `uvicorn config.asgi:application`."""

import os
from typing import cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()  # before anything that needs the apps

from config.lifespan import lifespan  # noqa: E402
from config.routing import websocket_urlpatterns  # noqa: E402
from sessions.apidocs import asyncapi, views  # noqa: E402
from sessions.fastpath.fast_path import FastPath  # noqa: E402
from sessions.realtime.long_poll_and_sse import Fallbacks  # noqa: E402
from sessions.realtime.origins import SocketOrigins  # noqa: E402
from synckairos.conf import conf  # noqa: E402
from synckairos.http.admission import Admission, SocketAdmission  # noqa: E402
from synckairos.http.asgi import Application as Asgi  # noqa: E402
from synckairos.http.asgi import EarlyHandler  # noqa: E402
from synckairos.http.body_limits import BodyLimits  # noqa: E402
from synckairos.http.cors import Cors  # noqa: E402
from synckairos.http.django_handlers import ApiHandler, PathRouter  # noqa: E402
from synckairos.http.request_log import RequestLog  # noqa: E402
from synckairos.http.security_headers import HttpsRedirect, SecurityHeaders  # noqa: E402

_django = cast("Asgi", django_application)
_documents = {**views.DOCUMENTS, **asyncapi.DOCUMENTS} if conf().api_docs else {}
_behind = views.RenderedFirst(_documents, PathRouter(cast("Asgi", ApiHandler()), _django))
_doors = HttpsRedirect(Fallbacks(_behind), _django)
_cors = Cors(BodyLimits(_doors), conf().cors_origins, allow_local_pages=conf().cors_local)


class Application(ProtocolTypeRouter):  # type: ignore[misc]  # Channels has no types
    """The ASGI application: everything that the product serves."""

    early_handler: EarlyHandler = FastPath(_cors)
    """Which our own server shows whole requests before all others."""


application = Application(
    {
        "http": RequestLog(Admission(SecurityHeaders(_cors))),
        "websocket": SocketAdmission(SocketOrigins(URLRouter(websocket_urlpatterns))),
        "lifespan": lifespan,
    }
)

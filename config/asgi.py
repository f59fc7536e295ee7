"""The application that servers load: `uvicorn config.asgi:application`."""

import os
from typing import cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()  # before anything that needs the apps

from config.lifespan import lifespan  # noqa: E402
from sessions.apidocs import asyncapi, views  # noqa: E402
from sessions.fastpath.fast_path import FastPath  # noqa: E402
from sessions.realtime.consumers import SessionConsumer, UnknownPath  # noqa: E402
from sessions.realtime.long_poll_and_sse import LongPollAndSse  # noqa: E402
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

# The HTTP middleware from the outermost to the innermost; RequestLog, Admission and SecurityHeaders are added below.
_cors = Cors(  # outside of BodyLimits: pages of other origins can read its errors
    BodyLimits(  # outside of all that answers: complete bodies only, and a response to every exception
        HttpsRedirect(  # outside of all that has no redirect: plain HTTP goes to Django, which redirects it
            over_http=_django,
            over_https=LongPollAndSse(  # outside of Django: long polls and event streams wait without a thread
                views.CachedDocuments(  # outside of Django: rendered documents need no thread either
                    _documents,
                    PathRouter(  # innermost: the API needs none of the middleware of the admin and the pages
                        api=cast("Asgi", ApiHandler()), pages=_django
                    ),
                )
            ),
        )
    ),
    conf().cors_origins,
    allow_local_pages=conf().cors_local,
)
_sockets = URLRouter([path("ws", SessionConsumer.as_asgi()), re_path(r"", UnknownPath.as_asgi())])


class Application(ProtocolTypeRouter):  # type: ignore[misc]  # Channels has no types
    """The ASGI application: everything that the product serves."""

    early_handler: EarlyHandler = FastPath(_cors)
    """Handler to which the product's own server offers complete requests before it calls the application."""


application = Application(
    {
        "http": RequestLog(  # outermost: logs and measures every response, refusals included
            Admission(  # before anything that uses the Host or the scheme
                SecurityHeaders(_cors)  # outside of all that answers (Admission adds them to its own refusals)
            )
        ),
        "websocket": SocketAdmission(
            SocketOrigins(URLRouter([path("ws", SessionConsumer.as_asgi()), re_path("", UnknownPath.as_asgi())]))
        ),
        "lifespan": lifespan,
    }
)

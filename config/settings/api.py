"""Settings of DRF and of the OpenAPI document."""

from synckairos import version

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["synckairos.http.drf.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["synckairos.http.drf.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["synckairos.http.drf.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "synckairos.http.drf.JSONNegotiation",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "synckairos.http.drf.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "SyncKairos",
    "DESCRIPTION": (
        "Timers and turn clocks that are the same on every screen. "
        "The WebSocket side is described in [AsyncAPI](/asyncapi.json). "
        f"The version is that of the protocol; this server is SyncKairos {version.PRODUCT}."
    ),
    "VERSION": version.PROTOCOL,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,  # bodies are called `…Request`
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": [
        "sessions.apidocs.openapi_paths.add_components",
        "synckairos.ratelimit.drf.document_rate_limit_headers",
        "sessions.apidocs.openapi_details.document",
        "sessions.apidocs.openapi_components.document",
        "sessions.apidocs.openapi_examples.document",
    ],
    "SECURITY": [{"bearer": []}],
}

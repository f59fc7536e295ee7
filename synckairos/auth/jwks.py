"""View of `/.well-known/jwks.json`: the public keys that verify tokens of this service."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from synckairos.conf import conf
from synckairos.http.django_views import read_only
from synckairos.http.openapi import get_path, json_answer, ref

PATH = "/.well-known/jwks.json"
_MAX_AGE_S = 300
_MEMBERS = ("kty", "use", "alg", "kid", "crv", "x", "y", "n", "e")


@read_only
def key_set(request: HttpRequest) -> HttpResponse:
    """Return the public keys as a JSON Web Key Set, with the key that signs first."""
    answer = JsonResponse(conf().signing_keys.jwks())
    answer["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
    return answer


_KEY = {
    "type": "object",
    "required": ["kty", "use", "alg", "kid"],
    "properties": {member: {"type": "string"} for member in _MEMBERS},
}
_SET = {"type": "object", "required": ["keys"], "properties": {"keys": {"type": "array", "items": ref("Key")}}}
COMPONENTS: dict[str, Any] = {"Key": _KEY}
OPERATIONS: dict[str, Any] = {
    PATH: get_path(
        "getKeys",
        "tokens",
        "The public keys that verify our tokens",
        {"200": json_answer("A JSON Web Key Set (RFC 7517).", _SET)},
    )
}
"""Paths for the OpenAPI document."""

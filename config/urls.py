"""The HTTP addresses of the product."""

from django.contrib import admin
from django.urls import include, path

from sessions.apidocs import asyncapi
from sessions.apidocs import views as documents
from synckairos.auth import jwks
from synckairos.auth.admin_login import admin_login
from synckairos.conf import conf
from synckairos.ops import readiness, views
from timesync.views import TimeView

handler400 = "synckairos.http.django_views.bad_request"
handler403 = "synckairos.http.django_views.permission_denied"
handler404 = "synckairos.http.django_views.not_found"
handler500 = "synckairos.http.django_views.server_error"

_documents = [
    path("api-docs.json", documents.openapi, name="schema"),
    path("api-docs", documents.page, name="api-docs"),
    path("asyncapi.json", asyncapi.asyncapi_document),
]
_admin = [
    path("admin/login/", admin_login),  # in front of the admin's own, which has no limit
    path("admin/", admin.site.urls),
]

urlpatterns = [
    path("health", views.health),
    path("ready", readiness.ready),
    path("metrics", views.prometheus),
    path(".well-known/jwks.json", jwks.key_set),
    path("v1/time", TimeView.as_view()),
    path("v1/", include("sessions.rest.urls")),
    *(_documents if conf().api_docs else ()),
    *(_admin if conf().admin else ()),
]

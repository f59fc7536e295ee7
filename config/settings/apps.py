"""Settings of apps, middleware, templates, static files and logs."""

import sys
from pathlib import Path

from config import environment
from synckairos.telemetry import logs

DEBUG = False  # a debug page would show what no client may see; errors are JSON and logged
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

INSTALLED_APPS = [
    # Only `runserver` needs it; everywhere else its Twisted would cost a quarter of a second and 13 MiB at the start.
    *(["daphne"] if "runserver" in sys.argv else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "timesync",
    "audit",
    "sessions.apps.SyncSessionsConfig",
]

# Sessions, CSRF and messages serve the admin; the API has neither cookies nor forms.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "synckairos.http.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [str(Path(__file__).resolve().parents[2] / "sessions" / "templates")],  # before those of the admin
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # straight from the packages: nothing to collect first
WHITENOISE_ALLOW_ALL_ORIGINS = False  # they are for our own pages

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["config.formats"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ACCESS_LOG = logs.AccessLog(as_json=environment.IN_PRODUCTION, level=environment.LOG_LEVEL)
LOGGING = logs.logging_config(as_json=environment.IN_PRODUCTION, level=environment.LOG_LEVEL)
logs.configure(LOGGING, as_json=environment.IN_PRODUCTION)

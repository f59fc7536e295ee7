"""Settings of keys, hosts and cookies."""

from config import environment
from synckairos.http.allowed_hosts import PROBE_HOST

SECRET_KEY = environment.SECRET_KEY
SECRET_KEY_FALLBACKS = environment.SECRET_KEY_FALLBACKS
ALLOWED_HOSTS = [*environment.ALLOWED_HOSTS, PROBE_HOST]
CSRF_TRUSTED_ORIGINS = environment.TRUSTED_ORIGINS

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
# Whether a request came by HTTPS is decided in synckairos/http/request_log.py, which believes trusted proxies only.
if environment.IN_PRODUCTION:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]  # asked from inside, without TLS
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = environment.HSTS_SUBDOMAINS
    SECURE_HSTS_PRELOAD = environment.HSTS_PRELOAD
    # Both say something of hosts that are not ours to speak for; that they are off is no oversight.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

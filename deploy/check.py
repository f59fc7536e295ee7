"""Part of `make check`: the settings of production pass Django's deployment checks, have no forgotten default, and
unsafe values are refused by name."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROOT = Path(__file__).resolve().parent.parent


def _pem(key: Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


REQUIRED = {
    "SYNCKAIROS_SECRET_KEY": secrets.token_urlsafe(48),
    "SYNCKAIROS_SIGNING_KEYS": _pem(Ed25519PrivateKey.generate()),
    "SYNCKAIROS_ALLOWED_HOSTS": "clock.example.com",
    "SYNCKAIROS_TRUSTED_PROXIES": "10.0.0.0/8",
    "REDIS_URL": "rediss://state.example.com:6379/0",
    "DATABASE_URL": "postgres://synckairos@audit.example.com:5432/synckairos",
}
"""Variables that an operator has to set in production, with made-up values."""
UNSAFE = [
    ("SYNCKAIROS_SECRET_KEY", "short-but-Quite-mixed-0123456789-abcdef"),
    ("SYNCKAIROS_SECRET_KEY", "abcabcabc" * 8),
    ("SYNCKAIROS_SECRET_KEY", f"django-insecure-{secrets.token_urlsafe(48)}"),
    ("SYNCKAIROS_SIGNING_KEYS", _pem(rsa.generate_private_key(65537, 1024))),  # noqa: S505 - that is the point
    ("SYNCKAIROS_SIGNING_KEYS", "a shared secret"),
    ("SYNCKAIROS_ALLOWED_HOSTS", "*"),
    ("SYNCKAIROS_ALLOWED_HOSTS", "clock.example.com,*.example.com"),
    ("SYNCKAIROS_ALLOWED_HOSTS", "clock.example.com,."),
    ("SYNCKAIROS_ALLOWED_HOSTS", ".example.com"),
    ("SYNCKAIROS_ALLOWED_HOSTS", "https://clock.example.com"),
    ("SYNCKAIROS_ALLOWED_HOSTS", " "),
    ("SYNCKAIROS_TRUSTED_PROXIES", ""),
    ("SYNCKAIROS_TRUSTED_PROXIES", "0.0.0.0/0"),
    ("SYNCKAIROS_TRUSTED_PROXIES", "10.0.0.0/8,::/0"),
    ("SYNCKAIROS_TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1"),
    ("SYNCKAIROS_TRUSTED_PROXIES", "::ffff:0:0/96"),
    ("SYNCKAIROS_TRUSTED_ORIGINS", "http://app.example.com"),
    ("SYNCKAIROS_TRUSTED_ORIGINS", "https://*.example.com"),
    ("SYNCKAIROS_TRUSTED_ORIGINS", "https://.example.com"),
    ("SYNCKAIROS_CORS_ORIGINS", "*"),
    ("SYNCKAIROS_CORS_ORIGINS", "http://app.example.com"),
    ("SYNCKAIROS_CORS_ORIGINS", "https://*.example.com"),
    ("SYNCKAIROS_CORS_ORIGINS", "app.example.com"),
    ("SYNCKAIROS_CORS_ORIGINS", "https://app.example.com/path"),
    ("SYNCKAIROS_CORS_ORIGINS", "null"),
    ("SYNCKAIROS_METRICS_TOKEN", "prometheus"),
    ("SYNCKAIROS_METRICS_HOST", "everywhere"),
    ("SYNCKAIROS_SECRET_KEY_FALLBACKS", "short-but-Quite-mixed-0123456789-abcdef"),
    ("SYNCKAIROS_HSTS_PRELOAD", "1"),
    ("SYNCKAIROS_LOG_ADDRESSES", "none"),
    ("SYNCKAIROS_BROKER_URL", "redis://state.example.com:6379/1"),
    ("REDIS_URL", "redis://state.example.com:6379/0"),
    ("REDIS_URL", "redis://somebody@10.0.0.5:6379/0"),
    ("REDIS_URL", "redis+sentinel://127.0.0.1:26379,a.example.com:26379/clocks"),
    ("DATABASE_URL", "sqlite:////srv/clock.sqlite3"),
    ("SYNCKAIROS_ALLOW_LOSSY_STORE", "perhaps"),
    ("SYNCKAIROS_IDP_JWKS_URL", "http://login.example.com/keys"),
]
"""Values that are refused in production."""
SAFE = {"SYNCKAIROS_CORS_ORIGINS": "https://app.example.com,capacitor://localhost,ionic://localhost,http://localhost"}
_IDP = {"SYNCKAIROS_IDP_ISSUER": "https://login.example.com", "SYNCKAIROS_IDP_AUDIENCE": "clock"}


def main() -> int:
    """Return the exit status: 0 when production is safe to start."""
    deploy = _python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **SAFE)
    print(deploy.stdout + deploy.stderr, end="")
    problems = [f"starts without {name}, or refuses without naming it" for name in REQUIRED if not _refuses(name, None)]
    problems += [
        f"starts with {name}={value!r}, or says it aloud" for name, value in UNSAFE if not _refuses(name, value)
    ]
    if not _refuses_open_key_file():
        problems.append("starts with a key file that everybody can read")
    if not _names_all_at_once():
        problems.append("does not name everything that is wrong at once")
    if not _cannot_be_debugged():
        problems.append("can be put into Django's debug mode")
    for problem in problems:
        print(f"Production {problem}.")
    if deploy.returncode or problems:
        return 1
    print(f"Production refuses to start without any of: {', '.join(REQUIRED)}; and with {len(UNSAFE)} unsafe values.")
    return 0


def _refuses(name: str, value: str | None) -> bool:
    """Return true if production does not start, names the variable, and prints no part of a secret."""
    start = _python("-c", "import config.environment", **{**_IDP, name: value} if "IDP" in name else {name: value})
    tells = value is not None and ("KEY" in name or "TOKEN" in name) and value in start.stderr
    return start.returncode != 0 and f"{name}:" in start.stderr and "Traceback" not in start.stderr and not tells


def _refuses_open_key_file() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "signing_key"
        path.write_text(REQUIRED["SYNCKAIROS_SIGNING_KEYS"])
        path.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IROTH)
        return _refuses("SYNCKAIROS_SIGNING_KEYS", str(path))


def _names_all_at_once() -> bool:
    unsafe = dict(reversed(UNSAFE)) | _IDP
    start = _python("-c", "import config.environment", **unsafe)
    return all(f"{name}:" in start.stderr for name, _ in UNSAFE)


def _cannot_be_debugged() -> bool:
    wishes = {"DEBUG": "1", "DJANGO_DEBUG": "True", "SYNCKAIROS_DEBUG": "1", "SYNCKAIROS_LOG_LEVEL": "DEBUG"}
    start = _python("-c", "from django.conf import settings; print(settings.DEBUG)", **wishes)
    return start.stdout.strip() == "False"


def _python(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run Python with production's environment only, so that the result does not depend on variables of the machine."""
    given = {name: value for name, value in {**REQUIRED, **changes}.items() if value is not None}
    settings = {"SYNCKAIROS_ENV": "production", "DJANGO_SETTINGS_MODULE": "config.settings"}
    env = {"PATH": os.environ.get("PATH", ""), **settings, **given}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, check=False, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())

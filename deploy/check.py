"""Part of `make check`: the settings of production pass Django's deployment checks, and have no forgotten default."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = {
    "SYNCKAIROS_SECRET_KEY": secrets.token_urlsafe(48),
    "SYNCKAIROS_SIGNING_KEYS": Ed25519PrivateKey.generate()
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode(),
    "SYNCKAIROS_ALLOWED_HOSTS": "clock.example.com",
    "REDIS_URL": "rediss://state.example.com:6379/0",
    "DATABASE_URL": "postgres://synckairos@audit.example.com:5432/synckairos",
}
"""What an operator has to say in production, with made-up values."""


def main() -> int:
    """Gives the exit status: 0 when production is safe to start."""
    deploy = _python("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    print(deploy.stdout + deploy.stderr, end="")
    forgiven = [name for name in REQUIRED if not _is_refused_without(name)]
    for name in forgiven:
        print(f"Production starts without {name}, or refuses without naming it.")
    if deploy.returncode or forgiven:
        return 1
    print(f"Production refuses to start without any of: {', '.join(REQUIRED)}.")
    return 0


def _is_refused_without(name: str) -> bool:
    start = _python("-c", "import config.environment", without=name)
    return start.returncode != 0 and name in start.stderr and "Traceback" not in start.stderr


def _python(*arguments: str, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python in production's environment: ours alone, so that no variable of the machine helps or harms."""
    given = {name: value for name, value in REQUIRED.items() if name != without}
    env = {"PATH": os.environ.get("PATH", ""), "SYNCKAIROS_ENV": "production", **given}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, check=False, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())

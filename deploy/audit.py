"""`make audit`: checks the compiled requirements against the published advisories, by pip-audit.

A finding fails. A service that cannot be reached, or that does not know our packages (a mirror without advisories),
does not fail: the output says that nothing was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LISTS = ("base", "dev", "bench")
SERVICES = ("pypi", "osv")
_WITHIN_S = 120
_UNREACHABLE = (
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "SSLError",
    "HTTPError",
    "ServiceError",
)
"""Last message of pip-audit when no service has answered."""


def main() -> int:
    """Return the exit status: 1 for a published vulnerability."""
    for service in SERVICES:
        report = looked_up(service)
        looked_at = [package for package in report if "skip_reason" not in package]
        holes = [package for package in looked_at if package["vulns"]]
        for package in holes:
            print(f"{package['name']} {package['version']}: {', '.join(found(package))}")
        if holes:
            return 1
        if looked_at:
            left = len(report) - len(looked_at)
            print(f"{len(looked_at)} packages looked up at {service}: no known hole. {left} are unknown there.")
            return 0
        print(f"{service} cannot be asked, or knows none of the packages.")
    print("*** NOTHING WAS AUDITED: no advisory service can be reached from here. Run `make audit` where one can. ***")
    return 0


def looked_up(service: str) -> list[dict[str, Any]]:
    """Return the answer of a service for each package; empty when it cannot be reached."""
    lists = [argument for name in LISTS for argument in ("-r", str(ROOT / "requirements" / f"{name}.txt"))]
    options = ["--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json"]
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, *options, *lists]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_WITHIN_S)
    except subprocess.TimeoutExpired:
        return []
    if any(sign in done.stderr for sign in _UNREACHABLE):
        return []
    try:
        report: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        sys.exit(f"pip-audit failed:\n{done.stderr}")
    return report


def found(package: dict[str, Any]) -> list[str]:
    """Return the vulnerabilities of a package, each with the versions that fix it."""
    return [f"{hole['id']} (mended in {' or '.join(hole['fix_versions']) or 'none yet'})" for hole in package["vulns"]]


if __name__ == "__main__":
    sys.exit(main())

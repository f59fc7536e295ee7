"""A real nginx for the tests, with the configuration from the documents, or with hardly any."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests import servers

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
DOCUMENTED = servers.ROOT / "deploy" / "nginx" / "synckairos.conf"

required = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("REQUIRE_NGINX"), reason="nginx is not installed (Debian: apt install nginx)"
)

_AROUND = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {http}
}}
"""
_DEFAULT = """
upstream synckairos {{ {servers} }}
server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://synckairos; }}
    location /ws {{
        proxy_pass http://synckairos;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
    }}
}}
"""


@dataclass
class Nginx:
    """One nginx, in a directory of its own."""

    directory: Path
    http: str
    port: int
    plain_port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Nginx:
        """Start it, and wait until it serves."""
        assert PROGRAM is not None, "nginx is required, and not installed"
        configuration = self.directory / "nginx.conf"
        configuration.write_text(_AROUND.format(http=self.http))
        self.process = subprocess.Popen(
            [PROGRAM, "-p", str(self.directory), "-e", "error.log", "-c", str(configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        pid = self.directory / "nginx.pid"
        try:
            servers.wait_until(lambda: pid.exists() or self.process.poll(), servers.READY_WITHIN_S, "nginx serves")
            assert self.process.poll() is None
        except AssertionError as failed:
            raise AssertionError(f"{failed}\n{self.errors()}") from None
        return self

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(servers.READY_WITHIN_S)

    def errors(self) -> str:
        """What it has complained of."""
        return (self.directory / "error.log").read_text(errors="replace")


def documented(directory: Path, ports: list[int]) -> Nginx:
    """As deploy/nginx/synckairos.conf has it, but for what an operator changes: names, certificate, ports."""
    port, plain_port = servers.free_port(), servers.free_port()
    _make_certificate(directory)
    text = DOCUMENTED.read_text()
    for written, meant in {
        "127.0.0.1:8001": f"127.0.0.1:{ports[0]}",
        "127.0.0.1:8002": f"127.0.0.1:{ports[1]}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen 80": f"listen 127.0.0.1:{plain_port}",
        "clock.example.com": "localhost",
        "/etc/ssl/synckairos/": f"{directory}/",
        "/var/log/nginx/": f"{directory}/",
    }.items():
        assert written in text
        text = text.replace(written, meant)
    return Nginx(directory, text, port, plain_port)


def default(directory: Path, ports: list[int]) -> Nginx:
    """As somebody writes it who reads no more than nginx's own example: every setting has nginx's default."""
    port = servers.free_port()
    named = " ".join(f"server 127.0.0.1:{web};" for web in ports)
    return Nginx(directory, _DEFAULT.format(servers=named, port=port), port)


def _make_certificate(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "fullchain.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (directory / "privkey.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

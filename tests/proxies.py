"""nginx and Caddy with the examples of the docs, on a free port of this machine, gone after the test."""

import datetime
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.pages import ROOT

EXAMPLES = ROOT / "docs" / "proxies"
NAME, PREFIX = "normserve.example.org", "/normserve"
API = "127.0.0.1:8000"
SLOW_SECONDS = 1
"""What tests put in the place of the seconds that a body may take."""
MAIN = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/nginx.conf;
}}
"""


def nginx(folder: Path, api: str, port: int) -> list[str]:
    """Write the example for this api and port; return the command."""
    example = replaced(
        (EXAMPLES / "nginx.conf").read_text(),
        {
            API: api,
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            f"/etc/ssl/{NAME}.pem": f"{folder}/certificate.pem",
            f"/etc/ssl/private/{NAME}.key": f"{folder}/key.pem",
            "client_body_timeout 10s": f"client_body_timeout {SLOW_SECONDS}s",
        },
    )
    (folder / "nginx.conf").write_text(example)
    (folder / "main.conf").write_text(MAIN.format(folder=folder))
    return [program("nginx"), "-e", "stderr", "-c", str(folder / "main.conf")]


def caddy(folder: Path, api: str, port: int) -> list[str]:
    """Write the example for this api and port; return the command."""
    example = replaced(
        (EXAMPLES / "Caddyfile").read_text(),
        {
            API: api,
            "{\n\tservers {": "{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n\tservers {",
            f"\n{NAME} {{": f"\nhttps://{NAME}:{port} {{\n\ttls {folder}/certificate.pem {folder}/key.pem",
            "read_body 30s": f"read_body {SLOW_SECONDS}s",
        },
    )
    (folder / "Caddyfile").write_text(example)
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    assert path, f"there is no {name}: run `make proxies`"
    return path


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[None]:
    write_certificate(folder)
    home = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, cwd=folder, env=home, stderr=subprocess.DEVNULL) as process:
        yield
        process.terminate()


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(encoding))
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))

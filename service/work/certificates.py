"""Certificates of a cluster: only processes with one of its authority can run code on the others."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed.security import Security

ROLES = ("scheduler", "worker", "client")
VALID_DAYS = 3650
AUTHORITY = "ca.pem"


def write_certificates(folder: Path) -> list[Path]:
    """Make an authority, and a certificate and a key for each role; the authority's key is not kept.

    Files of an interrupted call are replaced. Raise FileExistsError if there are others: replacing the
    certificates of a cluster in use would cut its processes off from each other.
    """
    present = [path for path in _paths(folder) if path.exists()]
    if present and not _draft(folder / AUTHORITY).exists():
        raise FileExistsError(f"{present[0]} exists; delete the folder to make new certificates")
    folder.mkdir(parents=True, exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _sign("normserve authority", authority_key, None, authority_key)
    # The authority's draft is written first and renamed last: while it exists, no certificate is in use.
    _write_draft(folder / AUTHORITY, authority.public_bytes(serialization.Encoding.PEM), 0o644)
    for role in ROLES:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(f"normserve {role}", key, authority, authority_key)
        public = certificate.public_bytes(serialization.Encoding.PEM)
        _write_draft(_certificate(folder, role), public, 0o644)
        _write_draft(_key(folder, role), _private(key), 0o600)
    return [_draft(path).replace(path) for path in reversed(_paths(folder))]


def missing(folder: Path) -> list[Path]:
    """Return the files that a cluster's process needs and that do not exist."""
    return [path for path in _paths(folder) if not path.is_file()]


def security(folder: Path) -> Security:
    """Return the TLS settings of a cluster's process: always TLS, with certificates on both sides."""
    roles = {
        f"tls_{role}_{kind}": str(place(folder, role))
        for role in ROLES
        for kind, place in (("cert", _certificate), ("key", _key))
    }
    return Security(  # type: ignore[no-untyped-call] # distributed's is untyped
        tls_ca_file=str(folder / AUTHORITY), require_encryption=True, **roles
    )


def options(folder: Path, role: str) -> list[str]:
    """Return the same settings as options of Dask's commands."""
    places = {"ca-file": folder / AUTHORITY, "cert": _certificate(folder, role), "key": _key(folder, role)}
    return [part for name, path in places.items() for part in (f"--tls-{name}", str(path))]


def _paths(folder: Path) -> list[Path]:
    return [folder / AUTHORITY, *(place(folder, role) for role in ROLES for place in (_certificate, _key))]


def _certificate(folder: Path, role: str) -> Path:
    return folder / f"{role}.pem"


def _key(folder: Path, role: str) -> Path:
    return folder / f"{role}-key.pem"


def _sign(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks of machines differ
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        # Python 3.13 and newer require these three, as RFC 5280 does.
        .add_extension(_usage(issuer is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    return builder.sign(issuer_key, hashes.SHA256())


def _usage(of_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not of_authority,
        key_cert_sign=of_authority,
        crl_sign=of_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _draft(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _write_draft(path: Path, content: bytes, mode: int) -> None:
    _draft(path).unlink(missing_ok=True)
    handle = os.open(_draft(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)

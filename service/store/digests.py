"""The digest of stored bytes."""

import hashlib


def sha256_hex(content: bytes) -> str:
    """Return the sha256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()

"""The headers that Standard Webhooks gives to a message: its id, its time, and their signature.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac


def signed_headers(secret: str, message_id: str, at: int, payload: bytes) -> dict[str, str]:
    """Sign id, time (in seconds since 1970) and payload with a `whsec_` secret; return the headers."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{at}.".encode() + payload, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }

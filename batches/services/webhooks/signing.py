"""signing: secrets of endpoints, and signatures by Standard Webhooks, which OpenAI's clients verify as well."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
KEY_BYTES = 32


def new_secret() -> str:
    """A secret as it is shown to people: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def signed_headers(wire_id: str, body: bytes, *, secrets: Iterable[str], timestamp: int) -> dict[str, str]:
    """The three headers that prove the sender of a delivery: with one signature for each secret, and a space between.

    `timestamp` is the time of this try in Unix seconds. Receivers refuse one that is more than 5 minutes off.
    """
    signatures = (_signature(secret, f"{wire_id}.{timestamp}.".encode() + body) for secret in secrets)
    return {"webhook-id": wire_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()

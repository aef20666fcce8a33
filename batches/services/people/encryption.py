"""encryption: texts that are stored encrypted under CREDENTIAL_KEYS, as the credentials of providers are."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from batches.rules.errors import Conflict


def encrypt(text: str) -> str:
    """Encrypt under the first of CREDENTIAL_KEYS."""
    return _cipher().encrypt(text.encode()).decode()


def decrypt(encrypted: str) -> str:
    """Decrypt. Raises Conflict when CREDENTIAL_KEYS does not hold the key."""
    try:
        return _cipher().decrypt(encrypted.encode()).decode()
    except InvalidToken:
        raise Conflict("A second factor is encrypted under a key that CREDENTIAL_KEYS does not hold.") from None


def rotate(encrypted: str) -> str:
    """Encrypt anew under the first of CREDENTIAL_KEYS. Raises Conflict as `decrypt` does."""
    return encrypt(decrypt(encrypted))


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])

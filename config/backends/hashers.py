"""Password hashing with argon2id. Only a few hashes run at once, so that many sign-ins do not take every core."""

import threading
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher

_seats = threading.BoundedSemaphore(settings.HASHES_AT_ONCE)


class Argon2id(Argon2PasswordHasher):
    """Argon2id with the parameters that OWASP recommends for little memory. Django's own take 100 MiB and every core."""

    time_cost = 3
    memory_cost = 12 * 1024  # KiB
    parallelism = 1

    def encode(self, *args: Any, **kwargs: Any) -> str:
        with _seats:
            return super().encode(*args, **kwargs)

    def verify(self, *args: Any, **kwargs: Any) -> bool:
        with _seats:
            return super().verify(*args, **kwargs)


class PBKDF2(PBKDF2PasswordHasher):
    """Django's PBKDF2, for older hashes."""

    def encode(self, *args: Any, **kwargs: Any) -> str:
        """Hash a password. `verify` calls this method, too."""
        with _seats:
            return super().encode(*args, **kwargs)

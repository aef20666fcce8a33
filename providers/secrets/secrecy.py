"""The columns in which a provider's secrets are kept, and the encryption of these columns."""

import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from providers.base import CredentialUnavailable
from providers.secrets import sources
from providers.secrets.references import SEALED, SECRET_NAME, referred, sealed
from providers.secrets.sources import MAX_SECRET_CHARS

_CREDENTIAL = re.compile(r"[!-~]+")  # the characters that a header can carry


def validate_credential(secret: str) -> None:
    """Raise ValidationError for a credential that no upstream can accept. The message does not quote the credential."""
    if not _CREDENTIAL.fullmatch(secret):
        raise ValidationError("A credential consists of visible ASCII characters, without spaces or line breaks.")


class KeepsSecrets(models.Model):
    """The columns of a row that keeps a credential, and the secrets that its options refer to.

    A credential is in one place: encrypted in the row, in a variable of the workers, or in a file of the workers. In the
    latter two cases the row has only the name. Further secrets, which options refer to by name, are encrypted
    together in one column. The values of extra headers are kept there too.
    """

    name: Any
    options: Any

    credential_encrypted = models.BinaryField(blank=True, default=b"", editable=False)
    credential_env = models.CharField(max_length=128, blank=True)
    credential_file = models.CharField(max_length=128, blank=True, default="", db_default="")
    secrets_encrypted = models.BinaryField(blank=True, default=b"", db_default=b"", editable=False)

    class Meta:
        abstract: ClassVar = True

    def set_credential(self, secret: str) -> None:
        """Store the credential, encrypted under the first of CREDENTIAL_KEYS. An empty text removes it. Does not save."""
        if secret:
            validate_credential(secret)
        self.credential_env = self.credential_file = ""
        self.credential_encrypted = _cipher().encrypt(secret.encode()) if secret else b""

    def set_secret(self, name: str, secret: str) -> None:
        """Store a secret that options refer to, encrypted. An empty text removes it. Does not save. Raises ValidationError."""
        if not SECRET_NAME.fullmatch(name):
            raise ValidationError("The name of a secret consists of letters, digits, dots, dashes and underscores.")
        if len(secret) > MAX_SECRET_CHARS or "\x00" in secret:
            raise ValidationError(f"A secret is text of at most {MAX_SECRET_CHARS} characters.")
        self._keep({**self.secrets(), name: secret})

    def seal_headers(self) -> frozenset[str]:
        """Move the values of extra headers from the options to the encrypted secrets. Returns the names of these secrets.

        The values of headers that the options no longer have are removed. Does not save. Raises CredentialUnavailable.
        """
        options, moved = sealed(self.options)
        used = {reference.secret for reference in referred(options)}
        try:
            kept = self.secrets()
        except CredentialUnavailable:
            if moved:
                raise
            return frozenset()
        if moved or any(name.startswith(SEALED) and name not in used for name in kept):
            self._keep({name: value for name, value in kept.items() if name in used or not name.startswith(SEALED)} | moved)
        self.options = options
        return frozenset(moved)

    def forget_secrets(self, *, but: Collection[str]) -> None:
        """Remove all secrets that options may refer to, except those named in `but`. Does not save.

        If the secrets cannot be decrypted, all of them are removed.
        """
        try:
            kept = self.secrets()
        except CredentialUnavailable:
            kept = {}
        self._keep({name: value for name, value in kept.items() if name in but})

    def _keep(self, secrets: Mapping[str, str]) -> None:
        kept = {name: value for name, value in secrets.items() if value}
        self.secrets_encrypted = _cipher().encrypt(msgspec.json.encode(kept)) if kept else b""

    @property
    def secret_names(self) -> list[str]:
        """The names of the stored secrets. Raises CredentialUnavailable."""
        return sorted(self.secrets())

    @property
    def secrets_used(self) -> list[str]:
        """The secrets, variables and files that the options refer to, in words."""
        return sorted({str(reference) for reference in referred(self.options)})

    @property
    def credential_kept(self) -> str:
        """The place where the credential is kept, in words; never the credential itself."""
        if self.credential_env:
            return f"in the variable {self.credential_env} of the workers"
        if self.credential_file:
            return f"in the file {self.credential_file} of the workers"
        return "stored, encrypted" if self.credential_encrypted else "none"

    def rotate_credential(self) -> None:
        """Encrypt the secrets anew under the first of CREDENTIAL_KEYS. Does not save. Raises CredentialUnavailable."""
        try:
            if self.credential_encrypted:
                self.credential_encrypted = _cipher().rotate(bytes(self.credential_encrypted))
            if self.secrets_encrypted:
                self.secrets_encrypted = _cipher().rotate(bytes(self.secrets_encrypted))
        except InvalidToken:
            raise CredentialUnavailable(self._undecipherable) from None

    def credential(self) -> str:
        """The credential itself. Raises Missing and CredentialUnavailable."""
        if self.credential_env:
            return sources.variable(self.credential_env)
        if self.credential_file:
            return sources.file(self.credential_file)
        if not self.credential_encrypted:
            return ""
        return self._deciphered(self.credential_encrypted).decode()

    def secrets(self) -> dict[str, str]:
        """The stored secrets that options may refer to, by name. Raises CredentialUnavailable."""
        if not self.secrets_encrypted:
            return {}
        return msgspec.json.decode(self._deciphered(self.secrets_encrypted), type=dict[str, str])

    def _deciphered(self, secret: "bytes | memoryview[int]") -> bytes:
        try:
            return _cipher().decrypt(bytes(secret))
        except InvalidToken:
            raise CredentialUnavailable(self._undecipherable) from None

    @property
    def _undecipherable(self) -> str:
        return f"The credential of provider {self.name} is encrypted under a key that CREDENTIAL_KEYS does not hold."


def opened(secret: bytes) -> str:
    """The text of a credential that was encrypted as a provider's is. Raises CredentialUnavailable."""
    try:
        return _cipher().decrypt(secret).decode()
    except InvalidToken:
        raise CredentialUnavailable("A secret is encrypted under a key that CREDENTIAL_KEYS does not hold.") from None


def sealed_credential(secret: str) -> bytes:
    """A credential, encrypted under the first of CREDENTIAL_KEYS."""
    return _cipher().encrypt(secret.encode())


def resealed(secret: bytes) -> bytes:
    """An encrypted text, encrypted anew under the first of CREDENTIAL_KEYS. Raises CredentialUnavailable."""
    try:
        return _cipher().rotate(secret)
    except InvalidToken:
        raise CredentialUnavailable("A secret is encrypted under a key that CREDENTIAL_KEYS does not hold.") from None


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])

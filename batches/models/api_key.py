"""ApiKey: the key of an internal service, with its scopes, its expiry and the addresses that it is accepted from."""

import hashlib
import hmac
import ipaddress
import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.project import Project

PREFIX_CHARS = 11  # "by_" and eight of the random characters: enough to find the row, too few to guess the rest
ADDRESS_CHARS = 45  # the length of the longest IPv6 address


class Scope(models.TextChoices):
    """A part of the API that a key may be given. The label is for people."""

    SUBMIT = "submit", "Submit: upload inputs and create batches"
    READ = "read", "Read: see batches, results, files and models"
    OPERATE = (
        "operate",
        "Operate: cancel, pause, resume, retry, reroute, reprioritise, delete, erase; manage webhooks, retention, holds",
    )


EVERY_SCOPE = " ".join(Scope.values)


class KeyState(models.TextChoices):
    """Whether a key is accepted."""

    USABLE = "usable"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKey(models.Model):
    """A bearer key of a project. Only its digest is kept; the key itself is shown once, when it is made.

    `scopes` are words of `Scope`, and `addresses` networks such as 10.0.0.0/8, each list with a space between; a key
    without addresses is accepted from everywhere. `last_used_at` may lag behind by a minute (see `authenticate`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=PREFIX_CHARS, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.CharField(max_length=100, default=EVERY_SCOPE, db_default=EVERY_SCOPE)
    addresses = models.TextField(blank=True, default="", db_default="", verbose_name="allowed addresses")
    created_by = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    refused_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When it was last sent from an address that is not allowed."
    )
    refused_address = models.CharField(max_length=ADDRESS_CHARS, blank=True, default="", db_default="", editable=False)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(
        cls,
        *,
        project: Project,
        name: str,
        scopes: Iterable[str] = Scope.values,
        expires_at: datetime | None = None,
        addresses: str = "",
        created_by: str = "",
        id: uuid.UUID | None = None,
    ) -> tuple["ApiKey", str]:
        """A new stored key and its plain text, which is shown only once."""
        plain = "by_" + secrets.token_urlsafe(32).replace("-", "x").replace("_", "y")
        key = cls.objects.create(
            id=id or uuid7(),
            project=project,
            name=name,
            prefix=plain[:PREFIX_CHARS],
            digest=_digest(plain),
            scopes=" ".join(scopes),
            expires_at=expires_at,
            addresses=addresses,
            created_by=created_by[:200],
        )
        return key, plain

    def matches(self, plain: str) -> bool:
        """Whether this text is the key. It is compared in constant time."""
        return hmac.compare_digest(self.digest, _digest(plain))

    def state(self, *, now: datetime) -> KeyState:
        """Whether the key is accepted. A revoked key stays revoked, whatever its expiry."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        return KeyState.EXPIRED if self.expires_at is not None and self.expires_at <= now else KeyState.USABLE

    def is_usable(self, *, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.state(now=now) is KeyState.USABLE

    @property
    def scope_list(self) -> list[Scope]:
        """The scopes of the key, always in the same order."""
        return [scope for scope in Scope if scope.value in self.scopes.split()]

    def permits(self, scope: Scope) -> bool:
        """Whether the key has a scope."""
        return scope.value in self.scopes.split()

    def is_allowed_from(self, address: str) -> bool:
        """Whether the key is accepted from a client's address. An IPv4 address may come written as an IPv6 one."""
        if not self.addresses:
            return True
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        plain = (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped) or found
        return any(plain in ipaddress.ip_network(network) for network in self.addresses.split())


def _digest(plain: str) -> str:
    """The SHA-256 of a key. It suffices without stretching, because a key has 256 random bits."""
    return hashlib.sha256(plain.encode("utf-8", "surrogateescape")).hexdigest()

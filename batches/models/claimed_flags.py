"""ClaimedFlags: the flags of an account that the claims of an OIDC provider gave."""

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7


class ClaimedFlags(models.Model):
    """A flag that is on here goes with the claim that gave it. A flag given by hand is off here, and stays."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    is_staff = models.BooleanField(default=False)
    is_superuser = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "claimed flags"

    def __str__(self) -> str:
        return f"{self.user}"

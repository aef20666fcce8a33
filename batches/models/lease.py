"""Lease: the right to work on a row for a while, with a fencing counter."""

from django.db import models


class Leased(models.Model):
    """A row that one worker at a time works on.

    Taking the lease adds one to `lease_epoch`. Every write under the lease names this epoch, and a write under an old epoch
    changes nothing. Any worker may take a lease that has run out.
    """

    lease_owner = models.UUIDField(null=True, blank=True, editable=False)
    lease_epoch = models.PositiveIntegerField(default=0, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

"""Lease: the right to work on a row for a while, with a fencing counter."""

from django.db import models


class Leased(models.Model):
    """A row that one worker at a time works on.

    Taking the lease adds one to `lease_epoch`; every write under it carries that epoch, and a stale one changes
    nothing. A lease that ran out may be taken by anybody.
    """

    lease_owner = models.UUIDField(null=True, blank=True, editable=False)
    lease_epoch = models.PositiveIntegerField(default=0, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

"""Recovered: how many of a batch's objects succeeded in a retry, beside the counts that its end has frozen."""

from dataclasses import replace
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from batches.models.counts import Counts


class Recovered(models.Model):
    """A batch whose unsuccessful objects may have succeeded in another batch of its lineage.

    `services.tally.recoveries` counts them from rows whenever a batch of the lineage ends. Each object is counted under the
    status that it has in this batch.
    """

    recovered_failed = models.PositiveIntegerField(default=0, db_default=0, help_text="Failed objects that a retry recovered.")
    recovered_cancelled = models.PositiveIntegerField(default=0, db_default=0, help_text="Cancelled objects, likewise.")
    recovered_expired = models.PositiveIntegerField(default=0, db_default=0, help_text="Expired objects, likewise.")
    recoveries_counted = models.BooleanField(
        default=False, db_default=False, help_text="Whether the successes of this retry are counted in the batches it retries."
    )

    class Meta:
        abstract: ClassVar = True

    @property
    def recovered(self) -> int:
        """How many objects without success here succeeded in a retry."""
        return self.recovered_failed + self.recovered_cancelled + self.recovered_expired

    def net_of(self, counts: Counts) -> Counts:
        """These counts of the batch after its retries: each object by its best outcome in any ended batch of the lineage."""
        if not self.recovered:
            return counts
        return replace(
            counts,
            succeeded=counts.succeeded + self.recovered,
            failed=counts.failed - self.recovered_failed,
            cancelled=counts.cancelled - self.recovered_cancelled,
            expired=counts.expired - self.recovered_expired,
        )


def has_unresolved() -> Q:
    """Ended batches with failed or expired objects that no retry has recovered."""
    return Q(failed__gt=F("recovered_failed")) | Q(expired__gt=F("recovered_expired"))


def is_recovered() -> Q:
    """Ended batches whose failed and expired objects have all been recovered by retries, and that had some."""
    return Q(failed=F("recovered_failed"), expired=F("recovered_expired")) & (
        Q(recovered_failed__gt=0) | Q(recovered_expired__gt=0)
    )


def is_uncounted() -> Q:
    """Ended retries whose successes are not counted in their lineage yet."""
    return Q(recoveries_counted=False, parent__isnull=False, ended_at__isnull=False)


RECOVERY_INDEXES = (
    models.Index(fields=["-created_at", "-id"], condition=has_unresolved(), name="batch_unresolved"),
    models.Index(fields=["id"], condition=is_uncounted(), name="batch_recoveries_uncounted"),
)

"""Slice: the part of a batch that one worker leases at a time."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.models.counts import Counted
from batches.models.lease import Leased
from batches.rules import identifiers


class Slice(Counted, Leased):
    """A run of consecutive lines of a batch. A worker leases it as a whole. It has counts, and byte ranges in the files.

    Byte ranges are half open: `input_start <= offset < input_end`. The ranges in the output and error file are set when the
    files are written. `not_before` holds back a slice whose objects all wait.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="slices", db_index=False)
    first_line = models.PositiveIntegerField()
    last_line = models.PositiveIntegerField()
    input_start = models.PositiveBigIntegerField()
    input_end = models.PositiveBigIntegerField()
    output_start = models.PositiveBigIntegerField(null=True, blank=True)
    output_end = models.PositiveBigIntegerField(null=True, blank=True)
    error_start = models.PositiveBigIntegerField(null=True, blank=True)
    error_end = models.PositiveBigIntegerField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    lost_leases = models.SmallIntegerField(default=0, db_default=0, editable=False)
    # The job at a provider's batch API that carries out the open objects. Executors leave such a slice alone.
    provider_job = models.ForeignKey(
        "ProviderJob",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="slices",
        db_index=False,
        db_constraint=False,
    )

    last_settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["batch", "first_line"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "first_line"], name="slice_once"),
            models.CheckConstraint(
                condition=Q(total=F("pending") + F("succeeded") + F("failed") + F("cancelled") + F("expired")),
                name="slice_counts_add_up",
            ),
        ]
        indexes: ClassVar = [
            # The unfinished slices. Finished rows leave the index, so that it stays small whatever the history.
            models.Index(fields=["batch", "first_line"], condition=Q(pending__gt=0), name="slice_unfinished"),
            # Those of them that executors may send: a batch may have thousands of slices at a provider's batch API before its
            # first free one.
            models.Index(fields=["batch", "first_line"], condition=Q(pending__gt=0, provider_job=None), name="slice_free"),
            # The leased slices: a handful of rows. From them `turns` computes how much each batch and project is served.
            models.Index(fields=["batch"], condition=Q(lease_owner__isnull=False), name="slice_leased"),
            models.Index(fields=["provider_job"], condition=Q(provider_job__isnull=False), name="slice_delegated"),
        ]

    def __str__(self) -> str:
        return f"{identifiers.render('batch_', self.batch_id)}, lines {self.first_line}-{self.last_line}"

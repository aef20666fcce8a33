"""Executed: who makes the calls of a batch, and why."""

from typing import ClassVar

from django.db import models

from batches.rules.execution import Execution


class Executed(models.Model):
    """A batch that is sent directly, or handed over to its provider's batch API.

    `taken_back_at` is when requests were first taken back from the batch API, to be sent directly.
    """

    execution = models.CharField(
        max_length=9, choices=Execution.choices, default=Execution.DIRECT, db_default=Execution.DIRECT, help_text="Who calls."
    )
    execution_asked = models.CharField(max_length=9, blank=True, default="", db_default="", help_text="The wish of its maker.")
    execution_reason = models.CharField(max_length=300, blank=True, default="", db_default="", help_text="Why it runs so.")
    taken_back_at = models.DateTimeField(
        null=True, blank=True, help_text="When requests were first taken back from the provider's batch API, to be sent directly."
    )

    class Meta:
        abstract: ClassVar = True

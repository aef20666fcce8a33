"""Guards: bounds of error rate, cost and tokens. A batch that goes beyond one is paused."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

MOST_OBJECTS = 2**31 - 1  # the largest sample of a guard
MOST_TOKENS = 2**63 - 1
COST_DIGITS, COST_DECIMALS = 14, 6


class Guarded(models.Model):
    """The columns of a row that has guards. An empty column sets no bound.

    A provider's guard holds for each of its batches that does not set that guard; see `batches.services.policy.guards`.
    """

    max_error_rate = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of failed objects, from 0 to 1, above which a batch is paused.",
    )
    error_sample = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many objects must have settled before the error rate counts."
    )
    max_cost = models.DecimalField(
        max_digits=COST_DIGITS,
        decimal_places=COST_DECIMALS,
        null=True,
        blank=True,
        help_text="Cost above which a batch is paused.",
    )
    max_tokens = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Input and output tokens together, above which a batch is paused."
    )

    class Meta:
        abstract: ClassVar = True

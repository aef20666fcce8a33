"""Counts: how the objects of a batch, or of a part of it, stand."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from django.db import models


@dataclass(frozen=True, slots=True)
class Counts:
    """How the objects of a batch stand, and the tokens used so far. `total` is always the sum of the other five counts."""

    total: int = 0
    pending: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    other_tokens: int = 0  # of which only the sum is known: neither part of the input nor of the output
    cost_nanos: int = 0  # of the objects whose cost is known, in billionths of the portal's currency
    unpriced: int = 0  # objects that succeeded and whose cost is not known

    @property
    def settled(self) -> int:
        return self.total - self.pending

    @property
    def tokens(self) -> int:
        """All tokens that are known of."""
        return self.input_tokens + self.output_tokens + self.other_tokens

    @property
    def cost(self) -> Decimal | None:
        """What is known to have been spent, in the portal's currency; None when nothing is known."""
        return None if self.unpriced and not self.cost_nanos else Decimal(self.cost_nanos).scaleb(-9)

    @property
    def unsuccessful(self) -> int:
        """Settled without success, for whatever reason."""
        return self.settled - self.succeeded


# The counts that are sums over columns of the objects, which have the same names.
SUMMED = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "other_tokens", "cost_nanos")
COUNT_FIELDS = tuple(Counts.__dataclass_fields__)


class Counted(models.Model):
    """A row with counts; the names are those of `Counts`."""

    total = models.PositiveIntegerField(default=0)
    pending = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    expired = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cached_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0)
    other_tokens = models.BigIntegerField(default=0, db_default=0, help_text="Of which only the sum is known.")
    cost_nanos = models.PositiveBigIntegerField(default=0, help_text="In billionths of the portal's currency.")
    unpriced = models.PositiveIntegerField(default=0, help_text="Objects that succeeded and whose cost is not known.")

    class Meta:
        abstract: ClassVar = True

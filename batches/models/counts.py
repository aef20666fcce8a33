"""Counts: the numbers of a batch's objects by status, and their tokens and cost; also for a part of a batch."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from django.db import models

from batches.rules.display.counted import amount_of


@dataclass(frozen=True, slots=True)
class Counts:
    """The objects of a batch by status, and the tokens and cost so far. `total` is always the sum of the five statuses."""

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
    other_tokens: int = 0  # tokens of which only the sum is known, so that they are in neither input nor output
    cost_nanos: int = 0  # the cost of the objects whose cost is known, in billionths of the portal's currency
    unpriced: int = 0  # how many objects succeeded with an unknown cost

    @property
    def settled(self) -> int:
        return self.total - self.pending

    @property
    def tokens(self) -> int:
        """The sum of all known tokens."""
        return self.input_tokens + self.output_tokens + self.other_tokens

    @property
    def cost(self) -> Decimal | None:
        """The known cost in the portal's currency; None if no cost is known."""
        return None if self.unpriced and not self.cost_nanos else amount_of(self.cost_nanos)

    @property
    def unsuccessful(self) -> int:
        """How many objects settled without success, for any reason."""
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

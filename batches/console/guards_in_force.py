"""The guards of a batch in words, and whether they are its own or its provider's."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from batches.models import Batch
from batches.services.guard import Guards, guards_of


@dataclass(frozen=True, slots=True)
class GuardInForce:
    """What pauses the batch, and where that is set."""

    label: str
    words: str
    is_own: bool


def guards_in_force(batch: Batch) -> list[GuardInForce]:
    """What pauses the batch; nothing where no guard is set."""
    return list(_told(batch, guards_of(batch)))


def _told(batch: Batch, guards: Guards) -> Iterable[GuardInForce]:
    if guards.max_error_rate is not None:
        words = f"above {guards.max_error_rate * 100:.3g} %, once {guards.error_sample:,} have settled"
        yield GuardInForce("Failures", words, batch.max_error_rate is not None)
    if guards.max_cost is not None:
        yield GuardInForce("Cost", f"above {guards.max_cost.normalize():,f} {settings.CURRENCY}", batch.max_cost is not None)
    if guards.max_tokens is not None:
        yield GuardInForce("Tokens", f"above {guards.max_tokens:,}", batch.max_tokens is not None)

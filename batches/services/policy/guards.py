"""guards: the bounds of cost, tokens and failures beyond which a batch is paused, and the act that changes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypedDict, cast

from django.conf import settings

from batches.models import Batch, Counts
from batches.rules.actors import Actor
from batches.rules.display.counted import amount_of
from batches.rules.errors import Conflict, InvalidRequest
from batches.rules.states import Act
from batches.services.core.amend import Change, amend_running
from batches.services.core.model_validation import model_validation
from providers.guards import Guarded

GUARDS = tuple(field.name for field in Guarded._meta.get_fields())


class OwnGuards(TypedDict, total=False):
    """The own guards of a batch or a provider, by name. None is no own guard; a batch then has its provider's guard."""

    max_error_rate: float | None
    error_sample: int | None
    max_cost: Decimal | None
    max_tokens: int | None


class OverBudget(Conflict):
    """The batch has used up what a guard allows: raise that first."""

    code = "over_budget"


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards that hold for a batch. None is no guard."""

    max_error_rate: float | None = None
    error_sample: int = 100
    max_cost: Decimal | None = None
    max_tokens: int | None = None

    @property
    def armed(self) -> bool:
        """Whether one of the guards can pause the batch."""
        return any(limit is not None for limit in (self.max_error_rate, self.max_cost, self.max_tokens))


def own_guards(bearer: Guarded) -> OwnGuards:
    """The guards that a batch or a provider has itself."""
    return OwnGuards(
        max_error_rate=bearer.max_error_rate,
        error_sample=bearer.error_sample,
        max_cost=bearer.max_cost,
        max_tokens=bearer.max_tokens,
    )


def guards_of(batch: Batch) -> Guards:
    """The guards that hold for a batch: its own, or else its provider's. The sample may also be the portal's."""
    theirs = batch.provider
    return Guards(
        max_error_rate=theirs.max_error_rate if batch.max_error_rate is None else batch.max_error_rate,
        error_sample=(theirs.error_sample if batch.error_sample is None else batch.error_sample) or settings.GUARD_SAMPLE,
        max_cost=theirs.max_cost if batch.max_cost is None else batch.max_cost,
        max_tokens=theirs.max_tokens if batch.max_tokens is None else batch.max_tokens,
    )


def too_many_failures(counts: Counts, guards: Guards, *, acknowledged: Counts) -> str | None:
    """A sentence with the error rate, if it pauses the batch; None if it does not.

    `acknowledged` are the objects that had settled when an operator last resumed the batch. They do not count. The guard looks
    at the rate once `error_sample` other objects have settled.
    """
    if guards.max_error_rate is None:
        return None
    settled = counts.settled - acknowledged.settled
    failed = counts.failed - acknowledged.failed
    if settled < max(guards.error_sample, 1) or failed <= guards.max_error_rate * settled:
        return None
    which = f"the {settled:,} requests since it was resumed" if acknowledged.settled else f"the first {settled:,} requests"
    return f"{failed:,} of {which} failed ({percent(failed / settled)}, allowed {percent(guards.max_error_rate)})."


def over_budget(counts: Counts, guards: Guards) -> str | None:
    """A sentence with the cost or tokens, if they pause the batch; None if they do not. Unknown costs count as 0."""
    spent = amount_of(counts.cost_nanos)
    if guards.max_cost is not None and spent > guards.max_cost:
        unknown = f" The cost of {counts.unpriced:,} more requests is not known." if counts.unpriced else ""
        return f"It has cost {money(spent)} (allowed {money(guards.max_cost)}).{unknown}"
    tokens = counts.tokens
    if guards.max_tokens is not None and tokens > guards.max_tokens:
        return f"It has used {tokens:,} tokens (allowed {guards.max_tokens:,})."
    return None


def require_within_budget(batch: Batch) -> None:
    """Raise OverBudget, with a remedy in its message, if a guard would pause the batch again at once."""
    if reason := over_budget(batch.counts, guards_of(batch)):
        raise OverBudget(f"{reason} Raise the guard of the batch, then resume it.")


def set_guards(batch: Batch, *, guards: Mapping[str, object], actor: Actor, now: datetime, reason: str = "") -> Batch:
    """Change some guards of a batch, by name (see GUARDS). None sets the provider's guard again. A paused batch stays paused.

    A batch that has these guards already is returned unchanged. Raises InvalidRequest for a value out of bounds, and
    NotRunning.
    """

    def change() -> Change | None:
        checked: Mapping[str, object] = checked_guards(guards)
        before = {name: getattr(batch, name) for name in checked}
        if before == checked:
            return None
        moves = (f"{name} from {_words(before[name])} to {_words(value)}" for name, value in checked.items())
        return Change(checked, expected=before, note=" ".join(filter(None, (f"{'; '.join(moves)}.", reason))))

    amend_running(batch, Act.REGUARDED, change, actor=actor, now=now)
    return batch


def checked_guards(guards: Mapping[str, object]) -> OwnGuards:
    """Guards as columns of a batch. Raises InvalidRequest, naming the guard that does not exist or is out of bounds."""
    if unknown := [name for name in guards if name not in GUARDS]:
        raise InvalidRequest(f"There is no guard {unknown[0]}; there are {', '.join(GUARDS)}.", param=f"guards.{unknown[0]}")
    bearer = Batch(**guards)
    with model_validation():
        bearer.clean_fields(exclude=[field.name for field in Batch._meta.fields if field.name not in guards])
    return cast("OwnGuards", {name: getattr(bearer, name) for name in guards})


def percent(share: float) -> str:
    """`2.5 %`."""
    return f"{share * 100:.3g} %"


def money(amount: Decimal) -> str:
    """`1,250.5 USD`."""
    return f"{amount.normalize():,f} {settings.CURRENCY}"


def _words(value: object) -> str:
    return "none" if value is None else f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)

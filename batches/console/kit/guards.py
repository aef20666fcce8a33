"""Guards in the console: the fields of forms that ask for them, and their display."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings

from batches.models import Batch
from batches.services.policy.guards import Guards, OwnGuards, guards_of, money, percent
from providers.guards import COST_DECIMALS, COST_DIGITS, MOST_OBJECTS, MOST_TOKENS
from providers.models import Provider


def guard_fields() -> dict[str, forms.Field]:
    """The form fields for the guards of a batch, by name."""
    return {
        "max_error_rate": forms.FloatField(
            required=False, min_value=0, max_value=1, label="Pause above this share of failures", help_text="From 0 to 1."
        ),
        "error_sample": forms.IntegerField(
            required=False, min_value=1, max_value=MOST_OBJECTS, label="Start checking after this many finished requests"
        ),
        "max_cost": forms.DecimalField(
            required=False,
            min_value=0,
            max_digits=COST_DIGITS,
            decimal_places=COST_DECIMALS,
            label="Pause above this cost",
            help_text=f"In {settings.CURRENCY}.",
        ),
        "max_tokens": forms.IntegerField(
            required=False,
            min_value=0,
            max_value=MOST_TOKENS,
            label="Pause above this many tokens",
            help_text="In and out together.",
        ),
    }


def chosen_guards(cleaned: Mapping[str, Any]) -> OwnGuards:
    """The guards that were filled in. An empty field gives None."""
    return OwnGuards(
        max_error_rate=cleaned["max_error_rate"],
        error_sample=cleaned["error_sample"],
        max_cost=cleaned["max_cost"],
        max_tokens=cleaned["max_tokens"],
    )


@dataclass(frozen=True, slots=True)
class GuardInForce:
    """A guard in words. `is_own`: it is set for the batch itself; otherwise it comes from the batch's provider."""

    words: str
    is_own: bool


def guards_in_force(batch: Batch) -> list[GuardInForce]:
    """The guards that hold for a batch."""
    return [GuardInForce(words, getattr(batch, name) is not None) for name, words in _told(guards_of(batch))]


def guards_of_provider(provider: Provider) -> list[GuardInForce]:
    """The guards of a provider, which hold for its batches without their own."""
    return [GuardInForce(words, is_own=True) for _, words in _told(guards_of(Batch(provider=provider)))]


def _told(guards: Guards) -> Iterable[tuple[str, str]]:
    """The name and the words of each guard that is set."""
    if guards.max_error_rate is not None:
        yield (
            "max_error_rate",
            f"Failures above {percent(guards.max_error_rate)}, after {guards.error_sample:,} finished requests",
        )
    if guards.max_cost is not None:
        yield "max_cost", f"Cost above {money(guards.max_cost)}"
    if guards.max_tokens is not None:
        yield "max_tokens", f"Tokens above {guards.max_tokens:,}"

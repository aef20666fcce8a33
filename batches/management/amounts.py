"""Options of commands that set limits, guards, prices, quotas and words: what is not given stays, `none` takes one away."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Model

NONE = "none"

# What each takes, and what it says of itself.
HELP: Mapping[str, str] = {
    "max_concurrency": "requests in flight at once, over all workers",
    "requests_per_minute": "in any 60 seconds, over all workers",
    "tokens_per_minute": "in any 60 seconds, over all workers",
    "max_error_rate": "guard: share of failed requests, from 0 to 1, above which a batch is paused",
    "error_sample": "guard: how many requests must have settled before the error rate counts",
    "max_cost": "guard: cost above which a batch is paused",
    "max_tokens": "guard: input and output tokens above which a batch is paused",
    "input_price": "of a million input tokens",
    "cached_price": "of a million input tokens that came from the upstream's cache (else as any other)",
    "output_price": "of a million output tokens",
    "batch_factor": "share of these prices that the provider's batch API charges, from 0 to 1 (else as its kind usually does)",
    "jobs_family": "the kind of its own batch API, such as openai",
    "max_open_jobs": "jobs at its batch API at one time",
    "execution": "of batches that do not say: direct, delegated, hybrid or auto",
    "jobs_region": "where its batch API keeps requests and results, in words",
    "open_batches": "batches that have not ended",
    "pending_objects": "requests of open batches that have no outcome yet",
    "stored_bytes": "bytes of the files that are kept",
}


TEXTS = frozenset({"jobs_family", "execution", "jobs_region"})


def add_amounts(parser: ArgumentParser, names: Iterable[str], *, prefix: str = "") -> None:
    """An option for each name: `--max-cost AMOUNT` for `max_cost`, and so on."""
    for name in names:
        option = f"--{prefix}{name}".replace("_", "-")
        if name in TEXTS:
            parser.add_argument(option, dest=name, metavar="TEXT", help=f"{HELP[name]}; {NONE} to take it away")
        else:
            parser.add_argument(option, dest=name, type=_parser_of(name), metavar="N", help=f"{HELP[name]}; {NONE} for no limit")


def given(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The amounts on the command line; `none` becomes None."""
    return {name: None if options[name] == NONE else options[name] for name in names if options[name] is not None}


def told(row: Model, names: Iterable[str]) -> str:
    """A line with a row and those of its settings that are not empty."""
    found = ((name, getattr(row, name)) for name in names)
    values = [(name, value) for name, value in found if value is not None and value != ""]
    return "\t".join(
        [str(row), *(f"{name} {value:f}" if isinstance(value, Decimal) else f"{name} {value}" for name, value in values)]
    )


def key_value(text: str) -> tuple[str, Any]:
    """Parse `key=value`. The value is parsed as JSON if it is JSON; else it is text."""
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _parser_of(name: str) -> Callable[[str], object]:
    if name == "max_error_rate":
        return _or_none(float, "a number from 0 to 1")
    if name in ("max_cost", "batch_factor") or name.endswith("_price"):
        return _or_none(_amount, "an amount such as 12.50")
    return _or_none(int, "a whole number")


def _or_none(parse: Callable[[str], object], expected: str) -> Callable[[str], object]:
    def parsed(text: str) -> object:
        if text == NONE:
            return NONE
        try:
            return parse(text)
        except (ValueError, InvalidOperation):
            raise ArgumentTypeError(f"{text!r} is neither {expected} nor {NONE}") from None

    return parsed


def _amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite() or amount < 0:
        raise ValueError
    return amount

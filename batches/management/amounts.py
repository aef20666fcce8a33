"""Options of commands that set limits, guards, prices and quotas: what is not given stays, `none` takes one away."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

NONE = "none"

# What each takes, and what it says of itself.
HELP: Mapping[str, str] = {
    "max_concurrency": "requests in flight at once, over all workers",
    "requests_per_minute": "in any 60 seconds, over all workers",
    "tokens_per_minute": "in any 60 seconds, over all workers",
    "max_error_rate": "guard: share of failed objects, from 0 to 1, above which a batch is paused",
    "error_sample": "guard: how many objects must have settled before the error rate counts",
    "max_cost": "guard: cost above which a batch is paused",
    "max_tokens": "guard: input and output tokens above which a batch is paused",
    "input_price": "of a million input tokens",
    "cached_price": "of a million input tokens that came from the upstream's cache (else as any other)",
    "output_price": "of a million output tokens",
    "open_batches": "batches that have not ended",
    "pending_objects": "objects of open batches that have no outcome yet",
    "stored_bytes": "bytes of the files that are kept",
}


def add_amounts(parser: ArgumentParser, names: Iterable[str], *, prefix: str = "") -> None:
    """An option for each name: `--max-cost AMOUNT` for `max_cost`, and so on."""
    for name in names:
        option = f"--{prefix}{name}".replace("_", "-")
        parser.add_argument(option, dest=name, type=_parser_of(name), metavar="N", help=f"{HELP[name]}; {NONE} for no limit")


def given(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The amounts on the command line; `none` becomes None."""
    return {name: None if options[name] == NONE else options[name] for name in names if options[name] is not None}


def _parser_of(name: str) -> Callable[[str], object]:
    if name == "max_error_rate":
        return _or_none(float, "a number from 0 to 1")
    if name == "max_cost" or name.endswith("_price"):
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

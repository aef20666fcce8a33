"""Numbers within the bounds of a JSON Schema, for structured answers of the simulator."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from providers.online.simulator.patterns import Unfit

MOST = 10**18  # a bound must be nearer to 0 than this
Schema = Mapping[str, Any]
# A bound with a mark, which decides between equal bounds so that the narrower one wins. A lower bound is marked if it excludes
# its value, an upper bound if it includes its value.
Bound = tuple[Fraction, bool]


def numeral(schema: Schema, *, whole: bool, number: int) -> int | float:
    """A number that fits the schema; each `number` gives another one, as far as there are any.

    With steps, the first number is the step nearest to 1 that is within the bounds. Raises Unfit.
    """
    low = max(_bounds(schema, {"minimum": False, "exclusiveMinimum": True}), default=None)
    high = min(_bounds(schema, {"maximum": True, "exclusiveMaximum": False}), default=None)
    step = _bound(schema, "multipleOf") or None
    if whole:
        step = Fraction(step.numerator if step else 1)
    if step:
        value = abs(step) * _place(low, high, abs(step), number=number)
    elif low and high:
        value = low[0] + (high[0] - low[0]) / (number + 2)
        if low[0] > high[0] or (low[0] == high[0] and (low[1] or not high[1])):
            raise Unfit("no number is within its bounds")
    else:
        value = low[0] + 1 + number if low else high[0] - 1 - number if high else Fraction(1 + number)
    return int(value) if value.denominator == 1 else float(value)


def _place(low: Bound | None, high: Bound | None, step: Fraction, *, number: int) -> int:
    """The number of steps from 0 to a number within these bounds. Raises Unfit."""
    first = None if low is None else math.ceil(low[0] / step) + (low[1] and low[0] % step == 0)
    last = None if high is None else math.floor(high[0] / step) - (not high[1] and high[0] % step == 0)
    if first is not None and last is not None and first > last:
        raise Unfit("no number is within its bounds")
    place = math.ceil(1 / step)
    if last is not None:
        place = min(place, last)
    if first is not None:
        place = max(place, first)
    if last is None or place + number <= last:
        return place + number
    return place - number if first is None or place - number >= first else place


def _bounds(schema: Schema, marks: Mapping[str, bool]) -> Iterator[Bound]:
    for name, mark in marks.items():
        if (bound := _bound(schema, name)) is not None:
            yield bound, mark


def _bound(schema: Schema, name: str) -> Fraction | None:
    value = schema.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -MOST < value < MOST:
        raise Unfit(f"the schema has a {name} that is too large")
    return Fraction(str(value))

"""Numbers with their noun, in the singular or the plural, and amounts of money from the billionths that are stored."""

from decimal import Decimal


def counted(count: int, one: str, many: str = "") -> str:
    """`1 request`, `1,200 requests`. `many` is for a plural that is not just an -s, also with its verb: `requests are`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def amount_of(nanos: int) -> Decimal:
    """An amount in the portal's currency, of so many billionths."""
    return Decimal(nanos).scaleb(-9)

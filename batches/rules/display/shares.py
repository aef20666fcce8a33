"""Shares of a whole in percent, which add up to 100. Pure rules."""

from collections.abc import Sequence

WHOLE = 100


def shares(parts: Sequence[int], *, total: int | None = None) -> list[int]:
    """The parts of a total in whole percent, by the method of the largest remainder: together they are 100.

    `total` is the sum of the parts unless it is given. Parts that are not named then have the rest of the 100.
    """
    whole = sum(parts) if total is None else max(total, sum(parts))
    if not whole:
        return [0] * len(parts)
    every = [*parts, whole - sum(parts)]
    found = [WHOLE * part // whole for part in every]
    left = WHOLE - sum(found)
    by_remainder = sorted(range(len(every)), key=lambda place: (-(WHOLE * every[place] % whole), place))
    for place in by_remainder[:left]:
        found[place] += 1
    return found[: len(parts)]


def share_in_words(share: int, *, part: int, total: int) -> str:
    """A share that was rounded, in words. No small part is 0 %, and no part but the whole is 100 %."""
    if part and not share:
        return "<1 %"
    return ">99 %" if share == WHOLE and part < total else f"{share} %"

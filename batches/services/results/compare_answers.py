"""The comparison of answers: whether two requests that succeeded in both batches got the same answer.

Ids, times and token counts are left aside (`rules.answer_match`). A page compares a bounded number of answers: those that it
shows, and a sample for the rate of matches. An export compares all of them (`services.exports.pairs_export`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from django.db import models

from batches.models import Batch, BatchObject
from batches.rules.answer_match import first_difference
from batches.rules.display.shares import share_in_words, shares
from batches.rules.states import ObjectStatus
from batches.services.results.answers_at import answers_at
from batches.services.results.compare import Pair, Verdict, pairs, place_of
from batches.services.results.results import are_in_files, results_between

SAMPLE = 200  # the most pairs of a sample
DRAWN = 4 * SAMPLE  # the lines that are drawn for it: some of them are no pairs that succeeded in both batches
LOOKED_THROUGH = 300  # the most pairs that are compared to find those for one page
CHUNK = 100  # the pairs that are compared together
PAGE_CHARS = 64 * 1024  # the longest answer that a page compares
EXPORT_CHARS = 256 * 1024  # longer answers are read one at a time
PAGE_SLICES = 4  # the slices of old answers, which are in files, that a page reads


class Match(models.TextChoices):
    """Whether two answers say the same."""

    SAME = "same", "Same answer"
    DIFFERS = "differs", "Differs"
    UNREAD = "unread", "Not compared"


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome of comparing two answers. `path` is where they first differ."""

    match: Match
    path: str = ""


@dataclass(frozen=True, slots=True)
class MatchRate:
    """How many answers match, of `fine` pairs that succeeded in both batches. `unread` pairs had an answer that is too long."""

    same: int
    differs: int
    unread: int
    fine: int

    @property
    def compared(self) -> int:
        return self.same + self.differs

    @property
    def is_sample(self) -> bool:
        return self.compared + self.unread < self.fine

    @property
    def words(self) -> str:
        """The rate in whole percent; empty if no answer was compared."""
        if not self.compared:
            return ""
        share, _ = shares([self.same, self.differs])
        return share_in_words(share, part=self.same, total=self.compared)


def compared_on_page(first: Batch, second: Batch, found: Sequence[Pair]) -> dict[str, Compared]:
    """The comparison of the pairs that succeeded in both batches, by custom_id. Long answers are not compared."""
    return _compared(first, second, found, most_chars=PAGE_CHARS, most_slices=PAGE_SLICES)


def compared_for_export(first: Batch, second: Batch, found: Sequence[Pair]) -> dict[str, Compared]:
    """The comparison of pairs however long their answers are; the longest are read one pair at a time. Raises Gone."""
    known = _compared(first, second, found, most_chars=EXPORT_CHARS, most_slices=None)
    long = [pair for pair in found if pair.custom_id in known and known[pair.custom_id].match == Match.UNREAD]
    return known | {pair.custom_id: _compared_alone(first, second, pair) for pair in long}


def _compared(
    first: Batch, second: Batch, found: Sequence[Pair], *, most_chars: int, most_slices: int | None
) -> dict[str, Compared]:
    fine = [pair for pair in found if pair.verdict == Verdict.BOTH_FINE]
    ours = answers_at(first, [pair.first_line or 0 for pair in fine], most_chars=most_chars, most_slices=most_slices)
    theirs = answers_at(second, [pair.second_line or 0 for pair in fine], most_chars=most_chars, most_slices=most_slices)
    return {pair.custom_id: _verdict(ours.get(pair.first_line or 0), theirs.get(pair.second_line or 0)) for pair in fine}


def _compared_alone(first: Batch, second: Batch, pair: Pair) -> Compared:
    sides = ((first, pair.first_line), (second, pair.second_line))
    ours, theirs = (results_between(batch, first_line=line or 0, last_line=line or 0)[0].body for batch, line in sides)
    return _verdict(ours or None, theirs or None)


def _verdict(ours: str | None, theirs: str | None) -> Compared:
    if ours is None or theirs is None:
        return Compared(Match.UNREAD)
    path = first_difference(ours, theirs)
    return Compared(Match.SAME) if path is None else Compared(Match.DIFFERS, path)


def pairs_with_match(
    first: Batch, second: Batch, match: Match, *, after: str, limit: int
) -> tuple[list[tuple[Pair, Compared]], str | None, int]:
    """Pairs with this match after a position, the position for the rest if there is more, and how many pairs were compared.

    At most LOOKED_THROUGH pairs are compared, so a page may have few pairs or none, and a next page all the same. Raises
    BadPlace.
    """
    candidates, following = pairs(first, second, verdicts=[Verdict.BOTH_FINE], after=after, limit=LOOKED_THROUGH)
    found: list[tuple[Pair, Compared]] = []
    for start in range(0, len(candidates), CHUNK):
        chunk = candidates[start : start + CHUNK]
        outcomes = compared_on_page(first, second, chunk)
        for number, pair in enumerate(chunk, start=start + 1):
            if outcomes[pair.custom_id].match == match:
                found.append((pair, outcomes[pair.custom_id]))
                if len(found) == limit and number < len(candidates):
                    return found, place_of(pair), number
    return found, following, len(candidates)


def match_rate(first: Batch, second: Batch, *, fine: int) -> MatchRate | None:
    """The rate of matching answers: over all pairs that succeeded in both batches if they are few, else over a random sample.

    None if the answers of a batch are in files by now: reading a sample of them could take long.
    """
    if not fine or are_in_files(first) or are_in_files(second):
        return None
    chosen = _drawn(first, second) if fine > SAMPLE else _all_fine(first, second)
    found = [one.match for start in range(0, len(chosen), CHUNK) for one in _chunk(first, second, chosen[start : start + CHUNK])]
    return MatchRate(found.count(Match.SAME), found.count(Match.DIFFERS), found.count(Match.UNREAD), fine)


def _chunk(first: Batch, second: Batch, chosen: Sequence[Pair]) -> list[Compared]:
    return list(compared_on_page(first, second, chosen).values())


def _all_fine(first: Batch, second: Batch) -> list[Pair]:
    return pairs(first, second, verdicts=[Verdict.BOTH_FINE], after="", limit=SAMPLE)[0]


def _drawn(first: Batch, second: Batch) -> list[Pair]:
    """Pairs that succeeded in both batches, drawn at random. The same two batches always have the same sample."""
    succeeded = ObjectStatus.SUCCEEDED
    last = BatchObject.objects.filter(batch=first).order_by("-line").values_list("line", flat=True).first() or 0
    drawn = Random(f"{first.pk} {second.pk}").sample(range(1, last + 1), min(DRAWN, last))
    ours = dict(BatchObject.objects.filter(batch=first, line__in=drawn, status=succeeded).values_list("custom_id", "line"))
    theirs = dict(BatchObject.objects.filter(batch=second, custom_id__in=ours, status=succeeded).values_list("custom_id", "line"))
    common = sorted(ours.keys() & theirs.keys(), key=lambda custom_id: drawn.index(ours[custom_id]))[:SAMPLE]
    return [
        Pair(custom_id, Verdict.BOTH_FINE, ours[custom_id], succeeded.value, theirs[custom_id], succeeded.value)
        for custom_id in common
    ]

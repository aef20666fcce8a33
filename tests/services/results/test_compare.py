from collections.abc import Callable

import pytest
from django.utils import timezone

from batches.models import Batch, BatchObject, Project
from batches.rules.states import ObjectStatus
from batches.services.results.compare import DIFFERENCES, BadPlace, Pair, Verdict, compare, pairs
from providers.models import Provider
from tests.cast import request_line, started

Make = Callable[..., Batch]


@pytest.fixture
def batch_of(project: Project, simulator: Provider) -> Make:
    """Makes a batch with these outcomes: `batch_of(a="succeeded", b="failed")`."""

    def make(**outcomes: str) -> Batch:
        batch = started(project, b"".join(map(request_line, outcomes)))
        for custom_id, status in outcomes.items():
            settled = None if status == ObjectStatus.PENDING else timezone.now()
            BatchObject.objects.filter(batch=batch, custom_id=custom_id).update(status=status, settled_at=settled)
        return batch

    return make


@pytest.fixture
def two(batch_of: Make) -> tuple[Batch, Batch]:
    """A pair of every kind, the second batch in another order."""
    first = batch_of(fine="succeeded", worse="succeeded", better="failed", bad="failed", waits="succeeded", gone="succeeded")
    second = batch_of(new="failed", waits="pending", bad="expired", better="succeeded", worse="cancelled", fine="succeeded")
    return first, second


def every(first: Batch, second: Batch, *, limit: int) -> list[Pair]:
    """All pages put together."""
    found, after = pairs(first, second, verdicts=Verdict, after="", limit=limit)
    while after:
        more, after = pairs(first, second, verdicts=Verdict, after=after, limit=limit)
        assert len(more) <= limit
        found += more
    return found


def test_each_custom_id_has_one_verdict(two: tuple[Batch, Batch]) -> None:
    assert {pair.custom_id: pair.verdict for pair in every(*two, limit=100)} == {
        "fine": Verdict.BOTH_FINE,
        "worse": Verdict.REGRESSED,
        "better": Verdict.FIXED,
        "bad": Verdict.BOTH_FAILED,
        "waits": Verdict.OPEN,
        "gone": Verdict.ONLY_FIRST,
        "new": Verdict.ONLY_SECOND,
    }
    assert compare(*two) == dict.fromkeys(Verdict, 1)


def test_a_pair_knows_its_line_and_outcome_on_both_sides(two: tuple[Batch, Batch]) -> None:
    found = {pair.custom_id: pair for pair in every(*two, limit=100)}
    assert found["worse"] == Pair("worse", Verdict.REGRESSED, 2, "succeeded", 5, "cancelled")
    assert found["gone"] == Pair("gone", Verdict.ONLY_FIRST, 6, "succeeded", None, "")
    assert found["new"] == Pair("new", Verdict.ONLY_SECOND, None, "", 1, "failed")


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
def test_pages_of_any_size_hold_every_pair_once_in_the_order_of_the_first(two: tuple[Batch, Batch], limit: int) -> None:
    assert [pair.custom_id for pair in every(*two, limit=limit)] == ["fine", "worse", "better", "bad", "waits", "gone", "new"]


def test_only_the_verdicts_asked_for_are_found(two: tuple[Batch, Batch]) -> None:
    for verdict in Verdict:
        found, after = pairs(*two, verdicts=[verdict], after="", limit=1)
        assert ([pair.verdict for pair in found], after) == ([verdict], None)
    assert Verdict.BOTH_FINE not in {pair.verdict for pair in pairs(*two, verdicts=DIFFERENCES, after="", limit=9)[0]}
    assert pairs(*two, verdicts=[], after="", limit=9) == ([], None)


def test_the_other_way_round_regressed_is_fixed(two: tuple[Batch, Batch]) -> None:
    found = {pair.custom_id: pair.verdict for pair in every(two[1], two[0], limit=100)}
    assert (found["worse"], found["better"], found["new"]) == (Verdict.FIXED, Verdict.REGRESSED, Verdict.ONLY_FIRST)


def test_batches_with_nothing_in_common_have_only_their_own(batch_of: Make) -> None:
    counts = compare(batch_of(a="succeeded"), batch_of(b="succeeded", c="succeeded"))
    assert {verdict: count for verdict, count in counts.items() if count} == {Verdict.ONLY_FIRST: 1, Verdict.ONLY_SECOND: 2}


@pytest.mark.parametrize("place", ["third-1", "first-", "first-1x", "second--1", "first-1\n", "\x00", "first-9999999999"])
def test_a_place_that_is_none_is_refused(two: tuple[Batch, Batch], place: str) -> None:
    with pytest.raises(BadPlace):
        pairs(*two, verdicts=Verdict, after=place, limit=1)


def test_every_verdict_has_its_sentence() -> None:
    assert all(verdict.sentence for verdict in Verdict)

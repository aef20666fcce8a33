import pytest
from django.utils import timezone

from batches.models import Batch, BatchResult, Project
from batches.services.results import compare_answers
from batches.services.results.compare import Verdict, pairs
from batches.services.results.compare_answers import Compared, Match, MatchRate, compared_on_page, match_rate, pairs_with_match
from providers.models import Provider
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(project: Project, simulator: Provider) -> tuple[Batch, Batch]:
    """Twelve requests that succeeded in both batches; every third got another answer."""
    make_batch = MakeBatch(project, simulator)
    first, second = (make_batch(succeeded=12, failed=1, body=f'{{"id": {n}, "text": "red"}}') for n in (1, 2))
    BatchResult.objects.filter(batch=second, line__in=[3, 6, 9, 12]).update(body='{"text": "blue"}')
    return first, second


def test_answers_are_compared_and_not_statuses_alone(two: tuple[Batch, Batch]) -> None:
    """O11."""
    found = compared_on_page(*two, pairs(*two, verdicts=Verdict, after="", limit=50)[0])
    assert len(found) == 12
    assert (found["a-1"], found["a-3"]) == (Compared(Match.SAME), Compared(Match.DIFFERS, "text"))


def test_few_pairs_are_all_compared_for_the_rate(two: tuple[Batch, Batch]) -> None:
    rate = match_rate(*two, fine=12)
    assert rate == MatchRate(same=8, differs=4, unread=0, fine=12)
    assert (rate.words, rate.is_sample) == ("67 %", False)


def test_of_many_pairs_a_sample_is_compared_which_stays_the_same(
    two: tuple[Batch, Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_answers, "SAMPLE", 5)
    rate = match_rate(*two, fine=12)
    assert rate is not None
    assert (rate.compared, rate.is_sample, rate.fine) == (5, True, 12)
    assert match_rate(*two, fine=12) == rate


def test_long_answers_are_not_compared_on_a_page_and_that_is_told(
    two: tuple[Batch, Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_answers, "PAGE_CHARS", 20)
    assert match_rate(*two, fine=12) == MatchRate(same=0, differs=0, unread=12, fine=12)


def test_no_rate_is_made_up_where_answers_are_in_files(two: tuple[Batch, Batch]) -> None:
    Batch.objects.filter(pk=two[1].pk).update(results_pruned_at=timezone.now())
    two[1].refresh_from_db()
    assert match_rate(*two, fine=12) is None


@pytest.mark.parametrize(("match", "lines"), [(Match.DIFFERS, [3, 6, 9, 12]), (Match.SAME, [1, 2, 4, 5, 7, 8, 10, 11])])
@pytest.mark.parametrize("looked", [1, 4, 5, 100])
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_of_pairs_with_a_match_hold_every_one_once(
    two: tuple[Batch, Batch], monkeypatch: pytest.MonkeyPatch, match: Match, lines: list[int], looked: int, limit: int
) -> None:
    monkeypatch.setattr(compare_answers, "LOOKED_THROUGH", looked)
    found, after = [], ""
    while True:
        page, following, compared = pairs_with_match(*two, match, after=after, limit=limit)
        assert len(page) <= limit
        assert compared <= looked
        found += [pair.first_line for pair, _ in page]
        if following is None:
            break
        after = following
    assert found == lines

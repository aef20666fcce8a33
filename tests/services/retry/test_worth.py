"""A retry of what is worth it: previewed by reason, sent as one child batch, and named by what it sends."""

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import REMARK_CHARS, Batch, Project
from batches.rules.errors import InvalidRequest
from batches.services.control.cancel import cancel
from batches.services.retry import preview as previews
from batches.services.retry.child import NothingToRetry, child_input
from batches.services.retry.elsewhere import elsewhere
from batches.services.retry.naming import ADJECTIVES, child_remark
from batches.services.retry.preview import choice, outlook_of, preview
from batches.services.retry.selection import EVERYTHING, MOST_GROUPS, WORTH_RETRYING, Selection
from providers.failures import Kind
from tests.cast import TESTER, ended, request_lines, started, statuses
from tests.rounds import again, at, child_of, completed, fingerprint_of, group_of, run, validated

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """Eight objects in three slices; none is settled."""
    settings.SLICE_LINES = 3
    return started(project, request_lines(8), remark="Nightly")


def mixed(batch: Batch) -> Batch:
    """Two objects were refused, three came too late, one was cancelled."""
    run(batch, odd={1, 4}, late={2, 5, 6}, keep={7})
    cancel(batch, actor=TESTER, now=timezone.now())
    return ended(batch)


def fresh(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def test_only_what_another_try_may_help_is_sent_in_one_child(batch: Batch) -> None:
    """O10."""
    batch = mixed(batch)
    found = preview(fresh(batch), selection=WORTH_RETRYING, now=timezone.now())
    assert (found.retried, found.hopeless) == (4, 0)
    child = validated(again(batch, WORTH_RETRYING).batch)
    assert set(statuses(child)) == {"row-2", "row-5", "row-6", "row-7"}
    assert Batch.objects.filter(parent=batch).count() == 1


def test_a_retry_of_everything_says_how_many_will_fail_again(batch: Batch) -> None:
    """O10."""
    found = preview(fresh(mixed(batch)), selection=EVERYTHING, now=timezone.now())
    assert (found.retried, found.hopeless) == (6, 2)


def test_several_groups_go_into_one_child(batch: Batch) -> None:
    batch = mixed(batch)
    both = Selection(group_of(batch, "odd").fingerprints | group_of(batch, "timeout").fingerprints)
    assert preview(fresh(batch), selection=both, now=timezone.now()).retried == 5
    assert again(batch, both).retried == 5


def test_while_a_batch_runs_what_is_worth_it_goes_in_place(batch: Batch) -> None:
    run(batch, odd={1}, late={2, 5}, keep={8})
    assert worth_retrying(batch) == 2
    assert again(fresh(batch), WORTH_RETRYING).retried == 2
    assert worth_retrying(batch) == 0


def worth_retrying(batch: Batch) -> int:
    found = outlook_of(fresh(batch))
    assert found is not None
    return found.worth_retrying


def test_nobody_is_offered_a_retry_while_another_is_validated(batch: Batch) -> None:
    batch = mixed(batch)
    again(batch, at(2))
    assert outlook_of(fresh(batch)) is None


def test_the_numbers_of_a_preview_are_those_of_the_retry_wherever_others_have_some(batch: Batch) -> None:
    batch = mixed(batch)
    completed(child_of(batch, at(2, 4)), odd={2})
    run(child_of(batch, at(5)), late={1})
    for selection in (EVERYTHING, WORTH_RETRYING, group_of(batch, "odd"), group_of(batch, "timeout"), at(1, 2, 5, 7)):
        before = fresh(batch)
        found = preview(before, selection=selection, now=timezone.now())
        assert found.retried == _sent(before, selection), selection


def _sent(batch: Batch, selection: Selection) -> int:
    """How many lines the input of a child would have."""
    try:
        with child_input(batch, selection=selection, now=timezone.now()) as requests:
            return requests.taken
    except NothingToRetry:
        return 0


def test_each_group_has_its_own_numbers(batch: Batch, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    batch = mixed(batch)
    completed(child_of(batch, at(2)))
    child_of(batch, at(5))
    odd, late = fingerprint_of(batch, "odd"), fingerprint_of(batch, "timeout")
    with django_assert_max_num_queries(16):
        found = choice(fresh(batch), [odd, late], now=timezone.now())
    assert (found.groups[odd].retried, found.groups[odd].is_hopeless) == (2, True)
    assert (found.groups[late].retried, found.groups[late].succeeded_elsewhere, found.groups[late].taken_up) == (1, 1, 1)
    assert (found.outlook.retried, found.outlook.worth_retrying, found.outlook.hopeless) == (4, 2, 2)


def test_a_page_does_not_count_what_a_large_retry_has_taken_up(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = mixed(batch)
    child_of(batch, at(2, 5))
    monkeypatch.setattr(previews, "MOST_READ", 1)
    found = outlook_of(fresh(batch))
    assert found is not None
    assert (found.is_known, found.may_send, found.worth_retrying) == (False, True, 0)


def test_too_many_groups_are_refused(batch: Batch) -> None:
    batch = mixed(batch)
    with pytest.raises(InvalidRequest, match="at most 100 error groups"):
        again(batch, Selection(frozenset(f"v1:{number}" for number in range(MOST_GROUPS + 1))))


def test_a_request_is_found_where_it_succeeded_or_is_being_sent_again(
    batch: Batch, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """O9."""
    batch = mixed(batch)
    done, running = completed(child_of(batch, at(2))), child_of(batch, at(5))
    objects = list(batch.batch_objects.order_by("line"))
    with django_assert_max_num_queries(2):
        found = {each.line: elsewhere(objects, among=Batch.objects.all()).get(each.pk) for each in [objects[0]]}
    assert found == {1: None}
    there = elsewhere(objects, among=Batch.objects.all())
    assert {each.line: (there[each.pk].batch, there[each.pk].line) for each in objects if each.pk in there} == {
        2: (done, 1),
        5: (running, 1),
    }
    assert not elsewhere(objects, among=Batch.objects.filter(pk=batch.pk)), "what the reader may not see is not named"


# --- Names -----------------------------------------------------------------------------------------------------


def test_children_are_named_by_what_they_retry(batch: Batch) -> None:
    """O26."""
    batch = mixed(batch)
    first = again(batch, group_of(batch, "timeout")).batch
    assert first.remark == "Retry 1 of Nightly: 3 timed-out requests"
    first = completed(validated(first), late={1, 2, 3})
    second = again(first, at(1)).batch
    assert second.remark == "Retry 2 of Nightly: 1 timed-out request"
    validated(second)
    assert again(batch, at(7, 1)).batch.remark == "Retry 3 of Nightly: 2 cancelled and refused requests"


def test_every_kind_of_failure_has_a_word() -> None:
    assert set(ADJECTIVES) == set(Kind)


def test_a_name_is_as_long_as_it_may_be(batch: Batch) -> None:
    batch.remark = "x" * REMARK_CHARS
    name = child_remark(batch, number=1, requests=1_200, adjectives={"a", "b", "c"})
    assert len(name) < REMARK_CHARS
    assert name.endswith("…: 1,200 requests")

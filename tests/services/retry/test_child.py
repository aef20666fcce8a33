"""Retrying after the end: a child batch over exactly what did not succeed, and nothing twice in one lineage."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, File, Project
from batches.rules.errors import Gone, InProgress, NoProvider, QuotaExceeded
from batches.rules.states import Act, BatchStatus
from batches.services.control.cancel import cancel
from batches.services.lifecycle.expire import expire
from batches.services.lifecycle.fail import fail
from batches.services.retry.child import AlreadyRetried, NothingToRetry
from batches.services.retry.lineage import lineage
from batches.services.retry.retry import RetryMode
from batches.services.storage.store import hide
from providers.failures import Kind
from providers.models import Provider
from tests.cast import TESTER, assert_counts_are_true, ended, request_lines, started, statuses
from tests.rounds import again, at, child_of, completed, group_of, lines_of, run, validated

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """Eight objects in three slices; none is settled."""
    settings.SLICE_LINES = 3
    return started(project, request_lines(8))


def test_a_child_has_exactly_the_lines_of_what_failed(batch: Batch) -> None:
    batch = completed(batch, odd={1, 5}, late={8})
    done = again(batch, reason="Fixed.")
    child = done.batch
    assert (done.mode, done.retried, done.skipped, child.parent) == (RetryMode.CHILD, 3, 0, batch)
    parents = lines_of(batch.input_file)
    assert lines_of(child.input_file) == [parents[0], parents[4], parents[7]]
    child = validated(child)
    assert statuses(child) == dict.fromkeys(("row-1", "row-5", "row-8"), "pending")
    event = batch.events.get(act=Act.RETRIED)
    assert event.note == f"3 objects in {child}. Fixed."
    assert (event.from_status, event.to_status) == ("completed", "completed")
    assert_counts_are_true(child)


def test_a_child_is_like_its_parent(project: Project) -> None:
    about = {"metadata": {"team": "ops"}, "priority": 7, "remark": "Nightly", "output_lifetime": timedelta(hours=2)}
    batch = started(project, request_lines(2), window=timedelta(hours=5), **about)
    Batch.objects.filter(pk=batch.pk).update(max_error_rate=0.5, error_sample=10, max_tokens=99, max_cost="1.5", precedence=9)
    batch = completed(batch, odd={1})
    child = again(batch).batch
    for name in (
        *("project", "provider", "dialect", "endpoint", "metadata", "priority", "completion_window", "operation_name"),
        *("output_lifetime_seconds", "max_error_rate", "error_sample", "max_tokens", "max_cost"),
    ):
        assert getattr(child, name) == getattr(batch, name), name
    assert child.expires_at - child.created_at == timedelta(hours=5)
    assert child.remark == "Retry 1 of Nightly: 1 refused request"
    assert (child.created_by, child.status, child.announced) == ("tester", "validating", 1)
    assert child.precedence == 0, "what an administrator gave to its parent, no client gives on (S5)"


def test_a_child_may_go_to_another_provider(batch: Batch) -> None:
    batch = completed(batch, odd={1})
    Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)
    with pytest.raises(NoProvider):
        again(batch, provider_name="nobody")
    assert lineage(batch) == [batch]
    assert again(batch, provider_name="other").batch.provider.name == "other"


@pytest.fixture
def delegates(project: Project) -> Provider:
    """A provider with a batch API, at which the project may delegate."""
    project.may_delegate = True
    project.save()
    return Provider.objects.create(name="other", adapter="simulator", granted_to_all=True, jobs_family="openai")


def ended_with(project: Project, wish: str) -> Batch:
    """A batch with this wish for its execution, of which one request failed. It was carried out directly all the same."""
    batch = started(project, request_lines(2), execution=wish, provider_name="other")
    Batch.objects.filter(pk=batch.pk).update(execution="direct")
    batch.refresh_from_db()
    return completed(batch, odd={1})


@pytest.mark.parametrize("wish", ["", "direct", "hybrid", "auto", "delegated"])
def test_a_child_keeps_its_parents_wish_for_its_execution(project: Project, delegates: Provider, wish: str) -> None:
    batch = ended_with(project, wish)
    child = again(batch).batch
    assert child.execution_asked == wish


@pytest.mark.parametrize("wish", ["hybrid", "auto", "delegated"])
def test_a_child_for_a_provider_without_batch_api_runs_directly_and_says_why(
    project: Project, delegates: Provider, wish: str
) -> None:
    batch = ended_with(project, wish)
    child = again(batch, provider_name="simulator").batch
    assert (child.execution, child.execution_reason) == ("direct", "No batch API of provider simulator is set up.")


def test_one_error_group_or_single_lines_can_be_retried(batch: Batch) -> None:
    batch = completed(batch, odd={1, 5}, late={8})
    first = again(batch, group_of(batch, "timeout"))
    assert (first.retried, lines_of(first.batch.input_file)) == (1, lines_of(batch.input_file)[7:])
    validated(first.batch)
    second = again(batch, at(1, 2, 8))
    assert (second.retried, second.skipped) == (1, 2), "line 2 succeeded, and line 8 is taken up already"


def test_of_a_cancelled_batch_what_never_ran_is_retried_too(batch: Batch) -> None:
    run(batch, odd={1}, keep={2, 7})
    cancel(batch, actor=TESTER, now=timezone.now())
    assert again(ended(batch)).retried == 3


def test_of_an_expired_batch_what_never_ran_is_retried_too(batch: Batch) -> None:
    run(batch, keep={2, 7, 8})
    expire(batch, actor=TESTER, now=timezone.now())
    assert again(ended(batch)).retried == 3


def test_what_failed_with_its_batch_is_retried_by_that_reason(batch: Batch) -> None:
    run(batch, odd={1}, keep={2, 7})
    fail(batch, kind=Kind.PORTAL, message="It cannot run.", actor=TESTER, now=timezone.now())
    batch = ended(batch)
    assert batch.status == BatchStatus.FAILED
    done = again(batch, group_of(batch, "portal_error"))
    assert lines_of(done.batch.input_file) == [lines_of(batch.input_file)[line - 1] for line in (2, 7)]


def test_nothing_is_taken_up_twice_while_a_child_is_open(batch: Batch) -> None:
    batch = completed(batch, odd={1, 5})
    child = child_of(batch)
    with pytest.raises(AlreadyRetried):
        again(batch)
    run(child, odd={1}, keep={2})
    with pytest.raises(AlreadyRetried):
        again(batch)
    run(child, odd={2})
    ended(child)
    assert again(batch).retried == 2, "both failed once more"


def test_what_succeeded_in_a_child_is_never_sent_again(batch: Batch) -> None:
    batch = completed(batch, odd={1, 5})
    child = completed(child_of(batch), odd={1})
    done = again(batch)
    assert (done.retried, done.skipped) == (1, 1)
    assert lines_of(done.batch.input_file) == lines_of(child.input_file)[:1]


def test_siblings_know_of_each_other(batch: Batch) -> None:
    batch = completed(batch, odd={1, 5})
    child = completed(child_of(batch), odd={1, 2})
    child_of(batch, at(1))
    done = again(child)
    assert (done.retried, done.skipped) == (1, 1), "the first line is open in a batch that is not a child of this one"
    assert done.batch.parent == child


def test_a_child_that_is_being_validated_is_waited_for(batch: Batch) -> None:
    batch = completed(batch, odd={1})
    again(batch)
    with pytest.raises(InProgress):
        again(batch)


@pytest.mark.parametrize("how", ["deleted", "expired", "purged", "lost"])
def test_an_input_that_is_no_longer_kept_cannot_be_sent_again(batch: Batch, how: str) -> None:
    batch = completed(batch, odd={1})
    file = batch.input_file
    assert file is not None
    now = timezone.now()
    if how == "deleted":
        hide(file, actor=TESTER, now=now)
    elif how == "lost":
        default_storage.delete(str(file.content.name))
    else:
        File.objects.filter(pk=file.pk).update(expires_at=now - timedelta(hours=1), purged_at=now if how == "purged" else None)
    with pytest.raises(Gone):
        again(Batch.objects.get(pk=batch.pk))
    assert lineage(batch) == [batch]


def test_a_project_without_room_for_another_batch_is_refused_and_keeps_nothing(batch: Batch, project: Project) -> None:
    batch = completed(batch, odd={1})
    Project.objects.filter(pk=project.pk).update(max_open_batches=0)
    files = File.objects.count()
    with pytest.raises(QuotaExceeded):
        again(Batch.objects.get(pk=batch.pk))
    assert File.objects.count() == files
    assert not batch.events.filter(act=Act.RETRIED).exists()


def test_a_batch_whose_input_was_refused_has_nothing_to_retry(project: Project) -> None:
    batch = started(project, b"not json\n")
    assert batch.status == BatchStatus.FAILED
    with pytest.raises(NothingToRetry):
        again(batch)

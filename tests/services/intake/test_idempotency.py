"""A create call that is repeated makes no second batch: with a key, as a retry, at the same time, after a crash."""

import threading
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from batches.models import ApiKey, Batch, IdempotencyRecord, Project
from batches.rules.errors import InProgress
from batches.services.intake import idempotency as once
from batches.services.intake.idempotency import KeyReused, forget_calls, reserved
from providers.models import Provider
from tests.cast import request_lines, submitted
from tests.together import at_once
from tests.waiting import PATIENCE

PATH = "/v1/things"


@pytest.fixture
def api_key(project: Project, simulator: Provider) -> ApiKey:
    return ApiKey.issue(project=project, name="caller")[0]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the first call."""
    monkeypatch.setattr(once, "WAIT_SECONDS", 0.0)


def create(
    key: ApiKey, *, digest: str = "d1", token: str = "", is_retry: bool = False, path: str = PATH, now: datetime | None = None
) -> Batch:
    """A create call as a view makes it."""
    now = now or timezone.now()
    with reserved(key, path=path, digest=digest, token=token, is_retry=is_retry, now=now) as reservation:
        return reservation.batch or submitted(key.project, request_lines(1), reservation=reservation)


# --- With an Idempotency-Key -----------------------------------------------------------------------------------


def test_the_same_key_and_body_are_the_same_batch(api_key: ApiKey) -> None:
    first = create(api_key, token="t")
    assert create(api_key, token="t") == first
    assert create(api_key, token="t", is_retry=True) == first
    assert Batch.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(api_key: ApiKey) -> None:
    create(api_key, token="t")
    with pytest.raises(KeyReused):
        create(api_key, token="t", digest="d2")
    assert Batch.objects.count() == 1


def test_another_key_is_another_batch(api_key: ApiKey) -> None:
    assert create(api_key, token="t1") != create(api_key, token="t2")


def test_keys_of_other_callers_and_other_paths_are_other_keys(api_key: ApiKey, other_project: Project) -> None:
    stranger = ApiKey.issue(project=other_project, name="stranger")[0]
    batches = {create(api_key, token="t"), create(stranger, token="t"), create(api_key, token="t", path="/other")}
    assert len(batches) == 3


def test_a_key_is_kept_for_a_day(api_key: ApiKey) -> None:
    first = create(api_key, token="t")
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert create(api_key, token="t") == first
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert create(api_key, token="t", digest="d2") != first


def test_a_call_that_failed_does_not_use_up_its_key(api_key: ApiKey) -> None:
    with pytest.raises(ZeroDivisionError), reserved(api_key, path=PATH, digest="d", token="t", now=timezone.now()):
        raise ZeroDivisionError
    assert not IdempotencyRecord.objects.exists()
    assert create(api_key, token="t", digest="other").status == "validating"


def test_a_failure_behind_a_repeated_call_leaves_the_first_in_place(api_key: ApiKey) -> None:
    first = create(api_key, token="t")
    with pytest.raises(ZeroDivisionError), reserved(api_key, path=PATH, digest="d1", token="t", now=timezone.now()):
        raise ZeroDivisionError
    assert create(api_key, token="t") == first


def test_of_a_long_key_every_character_counts(api_key: ApiKey) -> None:
    assert create(api_key, token="t" * 10_000) == create(api_key, token="t" * 10_000)
    assert create(api_key, token="t" * 10_000) != create(api_key, token="t" * 9_999 + "u")


# --- Retries of SDKs ---------------------------------------------------------------------------------------------


def test_a_retry_of_the_same_body_is_the_same_batch(api_key: ApiKey) -> None:
    first = create(api_key)
    assert create(api_key, is_retry=True) == first
    assert create(api_key, is_retry=True) == first


def test_a_retry_means_the_latest_call_with_its_body(api_key: ApiKey) -> None:
    create(api_key)
    latest = create(api_key)
    create(api_key, digest="d2")
    assert create(api_key, is_retry=True) == latest


def test_no_retry_is_no_repetition(api_key: ApiKey) -> None:
    assert create(api_key) != create(api_key)


def test_a_retry_of_what_never_arrived_is_a_first_call(api_key: ApiKey) -> None:
    create(api_key, is_retry=True)
    assert Batch.objects.count() == 1


def test_a_retry_is_recognised_for_ten_minutes(api_key: ApiKey) -> None:
    first = create(api_key)
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(minutes=9, seconds=59))
    assert create(api_key, is_retry=True) == first
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert create(api_key, is_retry=True) != first


def test_a_retry_with_a_key_of_its_own_is_told_apart_from_calls_without(api_key: ApiKey) -> None:
    assert create(api_key) != create(api_key, token="t", is_retry=True)


# --- Calls that are not finished ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("token", "is_retry"), [("t", False), ("", True)])
def test_a_call_that_is_being_worked_on_may_be_repeated_in_a_moment(api_key: ApiKey, token: str, *, is_retry: bool) -> None:
    with (
        reserved(api_key, path=PATH, digest="d1", token=token, now=timezone.now()),
        pytest.raises(InProgress),
    ):
        create(api_key, token=token, is_retry=is_retry)
    assert not Batch.objects.exists()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("token", "is_retry"), [("t", False), ("", True)])
def test_what_a_crash_left_is_given_up_after_a_while(api_key: ApiKey, token: str, *, is_retry: bool) -> None:
    IdempotencyRecord.objects.create(
        api_key=api_key, path=PATH, token=token, digest="d1", created_at=timezone.now() - timedelta(minutes=4)
    )
    with pytest.raises(InProgress):
        create(api_key, token=token, is_retry=is_retry)
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(minutes=5, seconds=1))
    create(api_key, token=token, is_retry=is_retry)
    assert create(api_key, token=token, is_retry=is_retry) == Batch.objects.get()


def test_old_calls_are_forgotten(api_key: ApiKey) -> None:
    create(api_key, token="t")
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    create(api_key, token="u")
    forget_calls(now=timezone.now())
    assert [record.token for record in IdempotencyRecord.objects.all()] == ["u"]


def test_a_call_that_finishes_just_as_it_is_taken_for_abandoned_is_not_forgotten(
    api_key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted(api_key.project, request_lines(1))
    long_ago = timezone.now() - timedelta(minutes=6)
    first = IdempotencyRecord.objects.create(api_key=api_key, path=PATH, token="t", digest="d1", created_at=long_ago)

    def now() -> datetime:  # the clock is asked after the record was read, and before it is let go of
        IdempotencyRecord.objects.filter(pk=first.pk).update(batch=batch)
        return clock()

    clock = timezone.now
    monkeypatch.setattr("batches.services.intake.idempotency.timezone.now", now)
    assert create(api_key, token="t", now=clock()) == batch


# --- At the same time --------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_calls_with_one_key_at_the_same_time_make_one_batch(api_key: ApiKey) -> None:
    outcomes = at_once(*[lambda: create(api_key, token="t")] * 8)
    assert outcomes == [Batch.objects.get()] * 8


@pytest.mark.django_db(transaction=True)
def test_when_the_first_of_them_fails_the_next_one_makes_the_batch(api_key: ApiKey) -> None:
    entered = threading.Event()

    def fail() -> Batch:
        with reserved(api_key, path=PATH, digest="d1", token="t", now=timezone.now()):
            entered.set()
            until_waited_for()
            raise ZeroDivisionError

    def until_waited_for() -> None:
        assert waiting.wait(PATIENCE)

    waiting = threading.Event()

    def follow() -> Batch:
        assert entered.wait(PATIENCE)
        waiting.set()
        return create(api_key, token="t")

    outcomes = at_once(fail, follow, follow)
    assert sum(isinstance(outcome, ZeroDivisionError) for outcome in outcomes) == 1
    assert [outcome for outcome in outcomes if isinstance(outcome, Batch)] == [Batch.objects.get()] * 2


@pytest.mark.django_db(transaction=True)
def test_one_key_with_two_bodies_at_the_same_time_is_one_batch_and_one_refusal(api_key: ApiKey) -> None:
    outcomes = at_once(lambda: create(api_key, token="t", digest="d1"), lambda: create(api_key, token="t", digest="d2"))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Batch", "KeyReused"]


@pytest.mark.django_db(transaction=True)
def test_a_retry_waits_for_the_first_call_to_finish(api_key: ApiKey) -> None:
    entered = threading.Event()

    def first() -> Batch:
        with reserved(api_key, path=PATH, digest="d1", now=timezone.now()) as reservation:
            entered.set()
            return submitted(api_key.project, request_lines(1), reservation=reservation)

    def retry() -> Batch:
        assert entered.wait(PATIENCE)
        return create(api_key, is_retry=True)

    assert at_once(first, retry, retry) == [Batch.objects.get()] * 3


@pytest.mark.django_db(transaction=True)
def test_retries_at_the_same_time_of_what_never_arrived_make_one_batch(api_key: ApiKey) -> None:
    outcomes = at_once(*[lambda: create(api_key, is_retry=True)] * 8)
    assert outcomes == [Batch.objects.get()] * 8

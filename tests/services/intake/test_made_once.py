"""A call that makes something else than a batch, and is repeated, makes it once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import ApiKey, IdempotencyRecord, LegalHold, Project
from batches.rules.errors import InProgress, LostRace
from batches.services.intake import idempotency
from batches.services.intake.idempotency import KeyReused, made_once, reserved
from batches.services.retention.holds import AlreadyHeld, place_hold
from tests.cast import TESTER
from tests.together import at_once

PATH = "/v1/holds"


@pytest.fixture
def api_key(project: Project) -> ApiKey:
    return ApiKey.issue(project=project, name="caller")[0]


def place(key: ApiKey) -> LegalHold:
    return place_hold(key.project, reason="A lawsuit.", actor=TESTER, now=timezone.now())


def call(key: ApiKey, *, token: str = "", digest: str = "d1", is_retry: bool = False) -> LegalHold:
    """A call as a view makes it."""
    with reserved(key, path=PATH, digest=digest, token=token, is_retry=is_retry, now=timezone.now()) as reservation:
        return made_once(reservation, LegalHold.objects.all(), lambda: place(key))


def test_the_same_call_makes_one_thing_and_another_call_with_its_key_is_refused(api_key: ApiKey) -> None:
    first = call(api_key, token="t")
    assert call(api_key, token="t") == first
    with pytest.raises(KeyReused):
        call(api_key, token="t", digest="d2")
    assert LegalHold.objects.count() == 1


def test_a_retry_without_a_key_is_recognised_for_ten_minutes(api_key: ApiKey) -> None:
    first = call(api_key)
    assert call(api_key, is_retry=True) == first
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    with pytest.raises(AlreadyHeld):
        call(api_key, is_retry=True)


def test_a_call_that_failed_leaves_no_reservation(api_key: ApiKey) -> None:
    place(api_key)
    with pytest.raises(AlreadyHeld):
        call(api_key, token="t")
    assert not IdempotencyRecord.objects.exists()


def test_what_was_made_is_taken_back_when_the_reservation_is_gone(api_key: ApiKey) -> None:
    def given_up() -> None:
        with reserved(api_key, path=PATH, digest="d1", token="t", now=timezone.now()) as reservation:
            IdempotencyRecord.objects.all().delete()
            made_once(reservation, LegalHold.objects.all(), lambda: place(api_key))

    with pytest.raises(LostRace):
        given_up()
    assert not LegalHold.objects.exists()


def test_a_call_that_is_being_worked_on_is_told_so(api_key: ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.0)
    with reserved(api_key, path=PATH, digest="d1", token="t", now=timezone.now()), pytest.raises(InProgress):
        call(api_key, token="t")
    assert not LegalHold.objects.exists()


def test_without_a_reservation_it_is_made_all_the_same(api_key: ApiKey) -> None:
    assert made_once(None, LegalHold.objects.all(), lambda: place(api_key)) == LegalHold.objects.get()


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_calls_with_one_key_at_the_same_time_make_one_thing(api_key: ApiKey) -> None:
    made = at_once(*[lambda: call(api_key, token="t")] * 4)
    assert len(set(made)) == 1
    assert LegalHold.objects.count() == 1

"""Why a batch is waiting."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import Batch, EmergencyStop, Project, ProviderHealth, Slice, Worker
from batches.services.control.block import block_provider
from batches.services.control.cancel import cancel
from batches.services.insight.waiting import Cause, Facts, decide, waiting
from batches.services.lifecycle.claim import Appetite, claim
from providers.models import Provider
from tests.cast import TESTER, request_lines, started, submitted

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
GONE = NOW - timedelta(minutes=1)


def running(**changes: Any) -> Batch:
    """A batch that has run for an hour."""
    fields = {
        "status": "in_progress",
        "provider": Provider(name="upstream"),
        "created_at": NOW - timedelta(hours=1),
        "updated_at": NOW - timedelta(hours=1),
        "in_progress_at": NOW - timedelta(hours=1),
        "expires_at": NOW + timedelta(hours=23),
    }
    return Batch(**(fields | changes))


def health(**fields: Any) -> tuple[ProviderHealth, ...]:
    return (ProviderHealth(**fields),)


OPEN = {"breaker": "open", "breaker_until": SOON, "breaker_reason": "10 failures in a row"}
EMPTY = {"hold_kind": "quota_exhausted", "held_since": GONE, "hold_strikes": 7, "probe_at": SOON}
STOP = EmergencyStop(what="sending", provider=Provider(name="upstream"), reason="It is on fire.", began_at=GONE)
LIMITED = {"limited_until": SOON, "limited_reason": "60 requests per minute"}


@pytest.mark.parametrize(
    ("batch", "facts", "cause", "until"),
    [
        (running(status="validating"), Facts(), Cause.NOT_VALIDATED, None),
        (running(status="validating"), Facts(control_workers=0), Cause.NO_WORKER, None),
        # What somebody decided comes first ...
        (running(paused_at=GONE), Facts(4, health=health(**OPEN)), Cause.PAUSED, None),
        (running(paused_at=GONE), Facts(4, leased=4), Cause.PAUSED, None),
        (running(paused_at=GONE), Facts(4, stop=STOP), Cause.SENDING_STOPPED, None),
        (running(), Facts(4, leased=4, stop=STOP, health=health(**EMPTY)), Cause.SENDING_STOPPED, None),
        (running(provider=Provider(enabled=False)), Facts(4, leased=4), Cause.PROVIDER_DISABLED, None),
        # ... then what the workers that saw it lack ...
        (running(blocked_until=SOON), Facts(4, executors=0), Cause.BLOCKED, None),
        (running(blocked_until=SOON, throttled_until=SOON), Facts(4, health=health(**OPEN)), Cause.BLOCKED, None),
        (running(blocked_until=GONE), Facts(4, ahead=3), Cause.QUEUE_POSITION, None),
        # ... then what the provider does, first what somebody has to mend ...
        (running(), Facts(4, health=health(**EMPTY, **OPEN)), Cause.ACCOUNT_PROBLEM, SOON),
        (running(throttled_until=SOON), Facts(4, leased=4, health=health(**EMPTY)), Cause.ACCOUNT_PROBLEM, SOON),
        (running(), Facts(4, health=health(**EMPTY | {"hold_kind": "rate_limited"})), Cause.RATE_LIMITED, SOON),
        (running(paused_at=GONE), Facts(4, health=health(**EMPTY)), Cause.PAUSED, None),
        (running(), Facts(4, health=health(**OPEN, **LIMITED)), Cause.BREAKER_OPEN, SOON),
        (running(), Facts(4, health=health(**OPEN | {"breaker": "half_open"})), Cause.BREAKER_OPEN, SOON),
        (running(), Facts(4, leased=4, health=health(**LIMITED)), Cause.RATE_LIMITED, SOON),
        (running(throttled_until=SOON), Facts(4, leased=4), Cause.THROTTLED, SOON),
        (running(throttled_until=SOON, throttled_by="upstream"), Facts(4, leased=4), Cause.THROTTLED, SOON),
        (running(throttled_until=SOON, throttled_by="limit"), Facts(4, leased=4), Cause.RATE_LIMITED, SOON),
        (running(throttled_until=SOON, throttled_by="breaker"), Facts(4, leased=4), Cause.BREAKER_OPEN, SOON),
        (running(throttled_until=SOON, throttled_by="others"), Facts(4, leased=4), Cause.OTHERS_USE_IT, None),
        (running(), Facts(4, held_back=4, not_before=SOON), Cause.BACKOFF, SOON),
        # ... and then whether anybody is there.
        (running(), Facts(4, executors=0), Cause.NO_WORKER, None),
        (running(), Facts(4, ahead=3), Cause.QUEUE_POSITION, None),
        (running(in_progress_at=NOW, updated_at=NOW), Facts(4, executors=0), Cause.QUEUE_POSITION, None),
        (running(), Facts(0), Cause.WINDING_UP, None),
        (running(expires_at=GONE), Facts(4, leased=2), Cause.WINDING_UP, None),
        (running(status="finalizing", finalizing_at=NOW), Facts(), Cause.WINDING_UP, None),
        (running(status="cancelling", cancelling_at=NOW), Facts(4, leased=1), Cause.WINDING_UP, NOW + timedelta(seconds=30)),
        (running(status="cancelling", cancelling_at=NOW), Facts(4, control_workers=0), Cause.NO_WORKER, None),
    ],
)
def test_a_batch_waits_for_the_first_thing_that_keeps_it(
    batch: Batch, facts: Facts, cause: Cause, until: datetime | None
) -> None:
    found = decide(batch, facts, now=NOW)
    assert found is not None
    assert (found.cause, found.until) == (cause, until)
    assert found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("batch", "facts"),
    [
        (running(), Facts(4, leased=1)),
        (running(), Facts(4, leased=1, held_back=3, not_before=SOON)),
        (running(throttled_until=GONE), Facts(4, leased=1)),
        (running(blocked_until=SOON), Facts(4, leased=1)),  # another worker can carry it out
        (running(), Facts(4, leased=1, health=health(limited_until=GONE, breaker="open", breaker_until=GONE))),
        (running(), Facts(4, leased=1, health=health(breaker="closed", breaker_until=SOON))),
    ],
)
def test_a_batch_that_somebody_works_on_does_not_wait(batch: Batch, facts: Facts) -> None:
    assert decide(batch, facts, now=NOW) is None


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (Facts(4), "It is the next to be taken up."),
        (Facts(4, ahead=1), "1 batch is served before it."),
        (Facts(4, ahead=1200, beyond=True), "At least 1,200 batches are served before it."),
    ],
)
def test_its_place_is_told_in_words(facts: Facts, sentence: str) -> None:
    found = decide(running(), facts, now=NOW)
    assert found is not None
    assert found.sentence == sentence


def test_who_is_stopped_reads_for_what_and_why_and_that_the_deadline_goes_on() -> None:
    found = decide(running(), Facts(4, stop=STOP), now=NOW)
    assert found is not None
    assert found.sentence == "Sending is stopped for provider upstream. It is on fire. Its deadline goes on."
    assert found.details == {"reason": "It is on fire.", "since": GONE.isoformat(), "provider": "upstream"}


def test_who_paused_it_and_why_is_told() -> None:
    found = decide(running(paused_at=GONE, paused_by="user ops", paused_reason="Looks odd."), Facts(4), now=NOW)
    assert found is not None
    assert found.sentence == "It was paused by user ops. Looks odd."
    assert found.details == {"by": "user ops", "reason": "Looks odd.", "since": GONE.isoformat()}


def test_a_simulator_that_is_switched_off_keeps_its_batches(settings: Settings) -> None:
    """E11"""
    settings.SIMULATOR = False
    found = decide(running(provider=Provider(name="simulator", adapter="simulator")), Facts(4), now=NOW)
    assert found is not None
    assert found.cause == Cause.PROVIDER_DISABLED
    assert "SIMULATOR" in found.sentence


def test_every_cause_has_a_sentence() -> None:
    assert all(cause.sentence.endswith(".") for cause in Cause)


# --- What is read -------------------------------------------------------------------------------------------


@pytest.fixture
def batch(project: Project, simulator: Provider, settings: Settings) -> Batch:
    """Six objects in three slices; an executor and a control worker are there."""
    settings.SLICE_LINES = 2
    now = timezone.now()
    for role in Worker.Role.values:
        Worker.objects.create(role=role, name="host:1", started_at=now, seen_at=now)
    return started(project, request_lines(6))


def fresh(batch: Batch) -> Batch:
    return Batch.objects.select_related("provider").get(pk=batch.pk)


def lease_one(batch: Batch) -> None:
    claim(executor=uuid.uuid4(), appetite=Appetite(1), now=timezone.now())


def hold_back(batch: Batch) -> None:
    Slice.objects.filter(batch=batch).update(not_before=timezone.now() + timedelta(minutes=1))


def disable(batch: Batch) -> None:
    Provider.objects.filter(pk=batch.provider_id).update(enabled=False)


def limit(batch: Batch) -> None:
    now = timezone.now()
    ProviderHealth.objects.create(
        provider=batch.provider, concurrency=1, limited_until=now + timedelta(minutes=1), updated_at=now
    )


def limit_another_model(batch: Batch) -> None:
    now = timezone.now()
    ProviderHealth.objects.create(
        provider=batch.provider, model="other", concurrency=1, limited_until=now + timedelta(minutes=1), updated_at=now
    )


def forget_workers(batch: Batch) -> None:
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    Batch.objects.filter(pk=batch.pk).update(
        in_progress_at=timezone.now() - timedelta(minutes=1), updated_at=timezone.now() - timedelta(minutes=1)
    )


def block(batch: Batch) -> None:
    block_provider(batch.provider_id, reason="Its credential is missing.", now=timezone.now())


def block_while_another_works(batch: Batch) -> None:
    lease_one(batch)
    block(batch)
    Slice.objects.update(lease_owner=None, lease_expires_at=None)


def stop(batch: Batch) -> None:
    cancel(batch, actor=TESTER, now=timezone.now())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("happened", "cause"),
    [
        (lambda _: None, Cause.QUEUE_POSITION),
        (lease_one, None),
        (hold_back, Cause.BACKOFF),
        (disable, Cause.PROVIDER_DISABLED),
        (limit, Cause.RATE_LIMITED),
        (limit_another_model, Cause.QUEUE_POSITION),
        (forget_workers, Cause.NO_WORKER),
        (block, Cause.BLOCKED),
        (block_while_another_works, Cause.QUEUE_POSITION),
        (stop, Cause.WINDING_UP),
    ],
)
def test_what_keeps_a_batch_is_read_from_the_database(
    batch: Batch, happened: Callable[[Batch], None], cause: Cause | None
) -> None:
    happened(batch)
    found = waiting(fresh(batch), now=timezone.now())
    assert (found and found.cause) == cause


@pytest.mark.django_db
def test_a_batch_that_ended_waits_for_nothing(batch: Batch, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    now = timezone.now()
    Batch.objects.update(status="cancelled", cancelled_at=now, ended_at=now)
    ended = fresh(batch)
    with django_assert_num_queries(0):
        assert waiting(ended, now=now) is None


@pytest.mark.django_db
def test_its_place_is_that_of_the_claim(
    batch: Batch, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    second, urgent = (started(project, request_lines(1)) for _ in range(2))
    Batch.objects.filter(pk=urgent.pk).update(priority=5)
    places = []
    for one in (urgent, batch, second):
        known = fresh(one)
        with django_assert_num_queries(5):
            found = waiting(known, now=timezone.now())
        assert found is not None
        places.append(found.details)
    assert places == [{"ahead": 0}, {"ahead": 1}, {"ahead": 2}]


@pytest.mark.django_db
def test_a_batch_that_is_not_validated_waits_for_that(batch: Batch, project: Project) -> None:
    found = waiting(submitted(project, request_lines(1)), now=timezone.now())
    assert found is not None
    assert found.cause == Cause.NOT_VALIDATED

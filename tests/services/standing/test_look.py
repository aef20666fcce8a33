"""What is read of providers and batches, and that filters find just what the decisions say."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.filters import BatchFilter
from batches.models import Attempt, Batch, Project, ProviderHealth, Slice, load_counts
from batches.rules.states import BatchStatus
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.standing.batch_state import BatchCode
from batches.services.standing.look import facts_of, states_of_batches
from providers.failures import Kind
from providers.models import Provider
from tests.cast import request_lines, started

pytestmark = pytest.mark.django_db

WAITING: dict[str, dict[str, object]] = {
    "down": {"breaker": "open", "breaker_until": timedelta(minutes=1)},
    "hangs": {"in_flight": 9, "oldest_sent_at": timedelta(minutes=-5)},
    "refuses": {"recent_calls": 30, "recent_refused": 30},
    "empty": {"hold_kind": "quota_exhausted", "held_since": timedelta(), "hold_strikes": 5, "probe_at": timedelta(minutes=1)},
    "works": {"recent_calls": 30, "recent_succeeded": 30},
}
CODES = {
    "down": (BatchCode.PROVIDER_DOWN, "provider_down"),
    "hangs": (BatchCode.NOT_ANSWERING, "not_answering"),
    "refuses": (BatchCode.RATE_LIMITED, "throttled"),
    "empty": (BatchCode.ACCOUNT_PROBLEM, "account_problem"),
    "works": (BatchCode.IN_PROGRESS, ""),
}


@pytest.fixture
def running(project: Project) -> dict[str, Batch]:
    """A running batch at each of some providers, in all the states that concern batches."""
    now, found = timezone.now(), {}
    for name, noted in WAITING.items():
        provider = Provider.objects.create(name=name, adapter="simulator")
        fields = {key: now + value if isinstance(value, timedelta) else value for key, value in noted.items()}
        ProviderHealth.objects.create(provider=provider, concurrency=10, updated_at=now, **fields)
        found[name] = started(project, request_lines(3), provider_name=name)
    return found


def found_by(question: str) -> set[str]:
    now = timezone.now()
    matching = BatchFilter(QueryDict(question), queryset=Batch.objects.all(), now=now).matching
    return set(matching.values_list("provider__name", flat=True))


def loaded() -> list[Batch]:
    batches = list(Batch.objects.select_related("provider"))
    load_counts(batches)
    return batches


def test_states_and_filters_say_the_same(running: dict[str, Batch], django_assert_num_queries: DjangoAssertNumQueries) -> None:
    batches, now = loaded(), timezone.now()
    with django_assert_num_queries(2):
        states = states_of_batches(batches, now=now)
    assert {batch.provider.name: states[batch.pk].code for batch in batches} == {name: code for name, (code, _) in CODES.items()}
    for name, (_, condition) in CODES.items():
        assert not condition or found_by(f"condition={condition}") == {name}
    assert found_by("view=attention") == {"down", "hangs", "refuses", "empty"}


def test_a_batch_whose_model_alone_is_held_is_found_too(running: dict[str, Batch]) -> None:
    now = timezone.now()
    Batch.objects.filter(pk=running["works"].pk).update(model="small")
    held = {"hold_kind": "quota_exhausted", "held_since": now, "hold_strikes": 5, "probe_at": now + timedelta(minutes=1)}
    ProviderHealth.objects.create(provider=running["works"].provider, model="small", concurrency=10, updated_at=now, **held)
    states = states_of_batches(loaded(), now=now)
    assert states[running["works"].pk].code is BatchCode.ACCOUNT_PROBLEM
    assert found_by("condition=account_problem") == {"empty", "works"}
    Batch.objects.filter(pk=running["works"].pk).update(model="large")
    assert found_by("condition=account_problem") == {"empty"}


# --- No progress ---------------------------------------------------------------------------------------------


def later(now: datetime) -> datetime:
    return now + timedelta(minutes=11)


def begin(batch: Batch) -> None:
    claim(executor=batch.pk, appetite=Appetite(1), now=timezone.now())


def settle_lately(batch: Batch) -> None:
    begin(batch)
    Slice.objects.update(last_settled_at=timezone.now() + timedelta(minutes=5))


def settle_long_ago(batch: Batch) -> None:
    Slice.objects.update(last_settled_at=timezone.now())


def begin_and(**changes: object) -> Callable[[Batch], None]:
    def act(batch: Batch) -> None:
        begin(batch)
        Batch.objects.update(**changes)

    return act


NOW = timezone.now()


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        (begin, True),  # although its lease is held: O4
        (settle_long_ago, True),
        (settle_lately, False),
        (lambda _: None, False),  # it waits for its turn
        (begin_and(paused_at=NOW), False),
        (begin_and(blocked_until=NOW + timedelta(hours=1)), False),
        (begin_and(updated_at=NOW + timedelta(hours=1)), False),
        (begin_and(status=BatchStatus.CANCELLING, cancelling_at=NOW), False),  # it is worked on
        (begin_and(status=BatchStatus.VALIDATING, begun_at=None), False),
    ],
)
def test_a_begun_batch_of_which_nothing_finishes_makes_no_progress(
    project: Project, simulator: Provider, happened: Callable[[Batch], None], expected: bool
) -> None:
    """O4: the batch of a provider that hangs was never stuck, since an executor held it."""
    batch = started(project, request_lines(3))
    happened(batch)
    Slice.objects.exclude(lease_owner=None).update(lease_expires_at=timezone.now() + timedelta(hours=1))
    now = later(timezone.now())
    (batch,) = loaded()
    found = BatchFilter(QueryDict("condition=no_progress"), queryset=Batch.objects.all(), now=now).matching
    assert found.exists() is expected
    assert (facts_of(batch, now=now).idle_for is not None) is expected
    assert (states_of_batches([batch], now=now)[batch.pk].code is BatchCode.NO_PROGRESS) is expected


def test_it_tells_one_of_its_latest_failures(project: Project, simulator: Provider) -> None:
    batch, now = started(project, request_lines(3)), timezone.now()
    begin(batch)
    for number, kind in enumerate((Kind.TIMEOUT, Kind.SERVER_ERROR), start=1):
        about = {"answered": True, "latency_ms": 1, "retry_at": now, "created_at": now + timedelta(seconds=number)}
        Attempt.objects.create(
            batch=batch, line=batch.batch_objects.get(custom_id="row-1").line, round=1, number=number, kind=kind.value, **about
        )
    (batch,) = loaded()
    assert facts_of(batch, now=later(now)).last_failure is Kind.SERVER_ERROR
    assert facts_of(batch, now=now).last_failure is None, "nobody asks while it moves"


def test_a_batch_is_begun_once(project: Project, simulator: Provider) -> None:
    begin(started(project, request_lines(3)))
    first = Batch.objects.get().begun_at
    assert first is not None
    Slice.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    begin(Batch.objects.get())
    assert Batch.objects.get().begun_at == first

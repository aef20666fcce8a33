"""What happens to one batch harms no other: an executor carries many, and their calls in flight are paid for."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from batches.engine.executor.execute import Executor
from batches.engine.executor.slices import HeldSlice, Item
from batches.models import Batch, BatchError, Project, Slice
from batches.services.control.cancel import cancel
from batches.services.core.lease import free_all
from batches.services.lifecycle.claim import Lease
from providers import registry
from providers.base import Call, Check, Connection, Failure, Outcome, Success
from providers.failures import Kind
from providers.models import Provider
from tests.answers import succeed
from tests.cast import TESTER, assert_counts_are_true, ended, request_lines, run_executor, started, statuses
from tests.engine.executors import executors, named, sent
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def others(project: Project, provider: Provider, upstream: Upstream) -> Callable[[], Batch]:
    """Starts a batch of somebody else's, whose calls take a while."""
    return lambda: started(project, request_lines(4, prefix="other"), provider_name="local")


def lose(batch: Batch) -> None:
    """What a finalize does to executors that hold slices of a batch."""
    Slice.objects.filter(batch=batch).update(lease_epoch=F("lease_epoch") + 1, lease_owner=None, lease_expires_at=None)
    Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now())  # nobody takes it up again


@pytest.mark.parametrize("guard", [{"max_tokens": 10**9}, {"max_error_rate": 0.9}, {"max_cost": 10**6}], ids=str)
def test_a_slice_that_is_lost_while_its_answers_wait_costs_no_other_batch_a_call(
    project: Project,
    provider: Provider,
    upstream: Upstream,
    settings: Settings,
    others: Callable[[], Batch],
    guard: dict[str, object],
) -> None:
    """E1: answers of the lost slices come all the time, also between two turns."""
    settings.FLUSH_SECONDS = 0.05
    upstream.behave(lambda request: succeed(delay=1.5 if named(request).startswith("other") else 0.01 * (request.number % 60)))
    lost = started(project, request_lines(300), provider_name="local")
    Batch.objects.filter(pk=lost.pk).update(**guard)
    other = others()
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 100)
        lose(lost)
    assert set(statuses(other).values()) == {"succeeded"}
    assert {name: count for name, count in sent(upstream).items() if name.startswith("other")} == {
        f"other-{number}": 1 for number in range(1, 5)
    }
    assert_counts_are_true(lost)


def test_an_ordinary_cancel_with_calls_slower_than_the_grace_costs_no_other_batch_a_call(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, others: Callable[[], Batch]
) -> None:
    """E1"""
    settings.CANCEL_GRACE_SECONDS = 0.4
    upstream.behave(lambda request: succeed(delay=1.5 if named(request).startswith("other") else 0.02 * (request.number % 60)))
    slow = started(project, request_lines(200), provider_name="local")
    Batch.objects.filter(pk=slow.pk).update(max_tokens=10**9)
    other = others()
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 100)
        cancel(slow, actor=TESTER, now=timezone.now())
        until(lambda: ended(slow).is_terminal)
    assert set(statuses(other).values()) == {"succeeded"}
    assert all(count == 1 for name, count in sent(upstream).items() if name.startswith("other"))
    assert_counts_are_true(slow)


@pytest.mark.parametrize(
    ("stopped_ago", "held_back", "given_up"), [(28.0, False, False), (29.5, False, True), (60.0, True, False)]
)
def test_a_call_that_outlasts_its_batch_is_given_up_before_others_end_the_batch(
    settings: Settings, stopped_ago: float, held_back: bool, given_up: bool
) -> None:
    """E1: finalize waits for 30 s; what is handed in after that is of no use to anybody."""
    settings.CANCEL_GRACE_SECONDS = 30.0

    class Flying:
        is_cancelled = False

        def cancel(self) -> None:
            self.is_cancelled = True

    flying = Flying()
    held = HeldSlice(Batch(), Lease(Slice(batch_id=uuid.uuid4()), 1, None), deadline=0.0, open=1, size=1)
    held.flying[1] = Item(held, 1, 1, b"", 0, 0, 0, "", task=flying)  # type: ignore[arg-type]
    held.stopped_at, held.held_back = time.monotonic() - stopped_ago, held_back
    running = Executor()
    running.holdings.held[uuid.uuid4()] = held
    running.holdings.abort_overdue()
    assert flying.is_cancelled == given_up


class Odd:
    """An adapter with faults of its own."""

    endpoints = frozenset({"/v1/chat/completions"})
    simulated = False

    def __init__(self, connection: Connection) -> None:
        self.fault = connection.options["fault"]

    @classmethod
    def problems(cls, **_: object) -> dict[str, str]:
        return {}

    async def send(self, call: Call) -> Outcome:
        match self.fault:
            case "raises":
                raise ZeroDivisionError
            case "returns nothing":
                return None  # type: ignore[return-value]
            case "no text":
                return Success(200, b'"\xff"')
            case "half a character":
                return Success(200, b"{}", request_id="\ud800")
            case "a NUL":
                return Success(200, b'{"a":"\x00"}', request_id="\x00")
            case "a number that no column holds":
                return Success(10**30, b"{}")
            case "an odd failure":
                return Failure(Kind.SERVER_ERROR, "\x00\ud800", http_status=10**30, retry_after=0.01)
            case _:
                return Success(200, b"{}", usage=object())  # type: ignore[arg-type]

    async def check(self) -> Check:
        return Check(True, "")

    async def close(self) -> None:
        raise OSError("It cannot be closed.")


FAULTS = (
    *("raises", "returns nothing", "no text", "half a character", "a NUL", "a number that no column holds"),
    *("an odd failure", "usage that is none"),
)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_adapter_that_fails_ends_no_executor(
    project: Project,
    provider: Provider,
    upstream: Upstream,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    others: Callable[[], Batch],
    fault: str,
) -> None:
    """E1"""
    settings.MAX_ATTEMPTS = 2
    monkeypatch.setitem(registry.ADAPTERS, "odd", Odd)
    odd = Provider.objects.create(name="odd", adapter="odd", options={"fault": fault})
    upstream.behave(lambda _: succeed(delay=0.5))
    broken, other = started(project, request_lines(3), provider_name=odd.name), others()
    with executors(1):
        pass
    assert set(statuses(other).values()) == {"succeeded"}
    assert set(sent(upstream).values()) == {1}
    assert set(statuses(broken).values()) <= {"failed", "succeeded"}
    assert_counts_are_true(broken)


@contextmanager
def refused_by_the_database(request_id: str) -> Iterator[None]:
    """Results with this request id cannot be recorded, whatever the reason is."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF NEW.request_id = '{request_id}' THEN RAISE EXCEPTION 'poison'"
                " USING ERRCODE = 'XX000'; END IF; RETURN NEW; END $$"
            )
            cursor.execute("CREATE TRIGGER poison BEFORE INSERT ON batches_batchresult FOR EACH ROW EXECUTE FUNCTION poison()")
        else:
            cursor.execute(
                f"CREATE TRIGGER poison BEFORE INSERT ON batches_batchresult WHEN NEW.request_id = '{request_id}'"
                " BEGIN SELECT RAISE(ABORT, 'poison'); END"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("DROP TRIGGER poison ON batches_batchresult")
                cursor.execute("DROP FUNCTION poison")
            else:
                cursor.execute("DROP TRIGGER poison")


def test_a_row_that_cannot_be_recorded_stalls_nobody_for_ever(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E1, E11: its slice is given up; and once that has happened so often, its requests fail."""
    settings.SLICE_LINES, settings.LEASE_SECONDS, settings.MAX_LOST_LEASES = 2, 2.0, 1
    settings.EXECUTOR_IDLE_SECONDS = 3.0
    upstream.behave(lambda request: succeed(x_request_id="poison") if named(request) == "row-3" else succeed())
    batch = started(project, request_lines(6))
    with refused_by_the_database("poison"):
        run_executor()
    assert statuses(batch) == {f"row-{n}": "failed" if n in {3, 4} else "succeeded" for n in range(1, 7)}
    assert set(BatchError.objects.filter(batch=batch).values_list("code", flat=True)) == {"worker_lost"}
    assert max(sent(upstream).values()) == 1
    assert_counts_are_true(batch)


def test_a_slice_whose_workers_end_one_after_the_other_fails_and_progress_starts_over(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    """E11"""
    settings.MAX_LOST_LEASES = 3
    batch = started(project, request_lines(2))
    piece = Slice.objects.get(batch=batch)
    for lost in range(3):
        assert Slice.objects.get().lost_leases == lost
        Slice.objects.update(lease_owner=uuid.uuid4(), lease_expires_at=timezone.now(), lease_epoch=F("lease_epoch") + 1)
        if lost < 2:
            free_all()  # a portal that was killed with it starts again
    Slice.objects.update(lost_leases=2)
    run_executor()
    assert not upstream.requests
    assert statuses(batch) == {"row-1": "failed", "row-2": "failed"}
    [code] = set(BatchError.objects.filter(batch=batch).values_list("code", flat=True))
    assert code == "worker_lost"
    assert ended(batch).status == "completed"
    assert piece.batch_id == batch.pk


def test_a_slice_that_lost_leases_and_is_carried_on_with_starts_over(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    """E11"""
    settings.MAX_LOST_LEASES = 3
    batch = started(project, request_lines(2))
    Slice.objects.update(lost_leases=1, lease_epoch=1, lease_owner=uuid.uuid4(), lease_expires_at=timezone.now())
    run_executor()
    assert set(statuses(batch).values()) == {"succeeded"}
    assert Slice.objects.get().lost_leases == 0

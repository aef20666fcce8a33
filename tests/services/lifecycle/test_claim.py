"""Which slices an executor gets."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Project, Slice
from batches.services.control.cancel import cancel
from batches.services.core.lease import free_all
from batches.services.lifecycle.claim import NEWCOMERS, Appetite, anything_to_claim, claim, give_back, share
from batches.services.lifecycle.turns import Candidate
from providers.models import Provider
from tests.cast import TESTER, pending, request_lines, started

NOW = datetime(2026, 1, 1, tzinfo=UTC)
P, Q = uuid.UUID(int=1), uuid.UUID(int=2)
A, B, C, D = (uuid.UUID(int=number) for number in (11, 12, 13, 14))
ACME, GLOBEX = uuid.UUID(int=21), uuid.UUID(int=22)
EXECUTOR = uuid.UUID(int=99)


def candidate(batch: uuid.UUID, **changes: object) -> Candidate:
    """A batch with ten free slices; A is older than B, B than C, and C than D."""
    fields = {
        "batch_id": batch,
        "project_id": ACME,
        "provider_id": P,
        "priority": 0,
        "at_risk": False,
        "created_at": NOW + timedelta(seconds=batch.int),
        "free": 10,
    }
    return Candidate(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("candidates", "appetite", "expected"),
    [
        ([], Appetite(5), {}),
        ([candidate(A)], Appetite(3), {A: 3}),
        ([candidate(A, free=2)], Appetite(3), {A: 2}),
        ([candidate(A), candidate(B)], Appetite(4), {A: 2, B: 2}),
        ([candidate(A), candidate(B)], Appetite(3), {A: 2, B: 1}),
        ([candidate(A, free=1), candidate(B)], Appetite(4), {A: 1, B: 3}),
        ([candidate(A, served=3), candidate(B)], Appetite(3), {B: 3}),
        ([candidate(A, served=1), candidate(B)], Appetite(3), {A: 1, B: 2}),
        ([candidate(A), candidate(B, priority=1)], Appetite(3, held=frozenset({A})), {B: 3}),
        ([candidate(A), candidate(B, priority=1, free=1)], Appetite(3), {B: 1, A: 2}),
        # Inside a project, what is at risk goes first, but not before what its clients find more important.
        ([candidate(A), candidate(B, at_risk=True)], Appetite(3, held=frozenset({A})), {B: 3}),
        ([candidate(A, at_risk=True), candidate(B, priority=1)], Appetite(3, held=frozenset({A})), {B: 3}),
        ([candidate(A, at_risk=True), candidate(B, at_risk=True)], Appetite(4), {A: 2, B: 2}),
        # A project does not get more by splitting its work up.
        ([candidate(A), candidate(B), candidate(C, project_id=GLOBEX)], Appetite(4), {A: 1, B: 1, C: 2}),
        (
            [candidate(A, project_served=5), candidate(B, project_id=GLOBEX, served=3, project_served=3)],
            Appetite(2, held=frozenset({A})),
            {B: 2},
        ),
        # By no priority, nor by a deadline that it asks for, does a client get before another project (S5) ...
        (
            [candidate(A, priority=100, at_risk=True), candidate(B, project_id=GLOBEX, priority=-100)],
            Appetite(4),
            {A: 2, B: 2},
        ),
        ([candidate(A, priority=100, project_served=1), candidate(B, project_id=GLOBEX)], Appetite(1), {B: 1, A: 1}),
        # ... but by the word of an administrator of the portal.
        (
            [candidate(A, precedence=1, project_served=9, served=9), candidate(B, project_id=GLOBEX, priority=100)],
            Appetite(3, held=frozenset({B})),
            {A: 3},
        ),
        ([candidate(A), candidate(B, project_id=GLOBEX, precedence=-1, begun=True)], Appetite(2), {A: 2}),
        # An executor has work enough of one project, and still wants that of others.
        ([candidate(A), candidate(B, project_id=GLOBEX)], Appetite(0, wanted={(P, ACME): 0, (P, GLOBEX): 2}), {B: 2, A: 1}),
        ([candidate(A), candidate(B, project_id=GLOBEX)], Appetite(0, wanted={(P, ACME): 3}), {A: 2, B: 1}),
        # Slices count by what they cost.
        ([candidate(A, weight=100), candidate(B, weight=30)], Appetite(5), {A: 1, B: 4}),
        ([candidate(A, weight=100), candidate(B, project_id=GLOBEX, weight=300)], Appetite(5), {A: 4, B: 1}),
        # A batch that nobody works on yet is taken up even where nothing more is wanted ...
        ([candidate(A), candidate(B, priority=1)], Appetite(1), {B: 1, A: 1}),
        ([candidate(A)], Appetite(0), {A: 1}),
        # ... but not one that somebody works on, or this executor itself, or where its project has all that it may have.
        ([candidate(A, served=1)], Appetite(0), {}),
        ([candidate(A)], Appetite(0, held=frozenset({A})), {}),
        ([candidate(A)], Appetite(3, full=frozenset({(P, ACME)})), {}),
        ([candidate(A), candidate(B, project_id=GLOBEX)], Appetite(3, full=frozenset({(P, ACME)})), {B: 3}),
        # ... nor one that was begun, while there is another of a higher standing: it would get a share of its time.
        ([candidate(A, begun=True)], Appetite(0), {A: 1}),
        ([candidate(A, begun=True), candidate(B, at_risk=True)], Appetite(0), {B: 1}),
        ([candidate(A, begun=True), candidate(B, at_risk=True, served=9)], Appetite(1), {B: 1}),
        ([candidate(A), candidate(B, at_risk=True, served=9)], Appetite(1), {B: 1, A: 1}),
        ([candidate(A, begun=True), candidate(B, priority=1, served=9)], Appetite(1), {B: 1}),
        ([candidate(A, begun=True), candidate(B, priority=1, provider_id=Q)], Appetite(0), {A: 1, B: 1}),
        # Providers do not compete with each other.
        ([candidate(A), candidate(B, provider_id=Q)], Appetite(2), {A: 2, B: 2}),
        ([candidate(A), candidate(B, provider_id=Q)], Appetite(2, wanted={(P, ACME): 0}, held=frozenset({A})), {B: 2}),
        ([candidate(A), candidate(B, provider_id=Q)], Appetite(2, full=frozenset({(P, ACME)})), {B: 2}),
    ],
)
def test_slices_are_shared_out(candidates: list[Candidate], appetite: Appetite, expected: dict[uuid.UUID, int]) -> None:
    assert share(candidates, appetite) == expected
    assert share(reversed(candidates), appetite) == expected, "the order of rows does not matter"


def test_only_so_many_newcomers_are_taken_up_at_once_the_important_and_old_ones_first() -> None:
    many = [candidate(uuid.UUID(int=100 + number)) for number in range(30)] + [
        candidate(C, priority=1),
        candidate(A, priority=-1),
        candidate(D, at_risk=True),
    ]
    taken = share(many, Appetite(0))
    assert list(taken) == [C, D, *(uuid.UUID(int=100 + number) for number in range(NEWCOMERS - 2))]


def test_among_newcomers_no_project_comes_before_another_by_their_number() -> None:
    """S2, S5"""
    many = [candidate(uuid.UUID(int=100 + number), priority=100) for number in range(30)]
    others = [candidate(uuid.UUID(int=200 + number), project_id=GLOBEX) for number in range(30)]
    taken = share(many + others, Appetite(0))
    assert sum(batch.int >= 200 for batch in taken) == NEWCOMERS / 2


def test_of_large_newcomers_a_project_gets_only_a_few_at_a_time() -> None:
    large = [candidate(uuid.UUID(int=100 + number), weight=1200) for number in range(10)]
    assert len(share([*large, candidate(A, project_id=GLOBEX)], Appetite(0))) == 3


@pytest.fixture
def batch(project: Project, simulator: Provider, settings: Settings) -> Batch:
    """Six objects in three slices."""
    settings.SLICE_LINES = 2
    return started(project, request_lines(6))


def lines(appetite: Appetite, *, now: datetime | None = None, executor: uuid.UUID = EXECUTOR) -> list[list[int]]:
    """What is leased, as the lines of each slice."""
    leases = claim(executor=executor, appetite=appetite, now=now or timezone.now())
    return [[waiting.line for waiting in pending(lease)] for lease in leases]


@pytest.mark.django_db
def test_a_slice_is_leased_to_one_at_a_time(batch: Batch) -> None:
    assert lines(Appetite(2)) == [[1, 2], [3, 4]]
    assert lines(Appetite(2), executor=uuid.uuid4()) == [[5, 6]]
    assert lines(Appetite(2)) == []
    assert not anything_to_claim(now=timezone.now())


@pytest.mark.django_db
def test_a_lease_that_ran_out_is_given_anew_under_a_new_epoch(batch: Batch, settings: Settings) -> None:
    [first] = claim(executor=EXECUTOR, appetite=Appetite(1), now=timezone.now())
    later = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)
    again = claim(executor=uuid.uuid4(), appetite=Appetite(9), now=later)[0]
    assert (again.piece.pk, again.epoch) == (first.piece.pk, first.epoch + 1)
    assert Slice.objects.get(pk=first.piece.pk).lease_epoch == again.epoch


@pytest.mark.django_db
def test_what_an_executor_did_not_begin_it_can_give_back(batch: Batch) -> None:
    first, second = claim(executor=EXECUTOR, appetite=Appetite(2), now=timezone.now())
    give_back(first)
    assert lines(Appetite(9)) == [[1, 2], [5, 6]]
    give_back(first)
    assert lines(Appetite(9)) == [], "it is leased anew"
    give_back(second)
    assert lines(Appetite(9)) == [[3, 4]]


@pytest.mark.django_db
@pytest.mark.parametrize("held_back", ["cancelled", "disabled", "paused", "overdue", "not yet"])
def test_what_must_not_run_is_not_leased(batch: Batch, held_back: str) -> None:
    now = timezone.now()
    match held_back:
        case "cancelled":
            cancel(batch, actor=TESTER, now=now)
        case "disabled":
            Provider.objects.filter(pk=batch.provider_id).update(enabled=False)
        case "paused":
            Batch.objects.filter(pk=batch.pk).update(paused_at=now)
        case "overdue":
            now += timedelta(hours=24)
        case "not yet":
            Slice.objects.update(not_before=now + timedelta(seconds=1))
    assert not anything_to_claim(now=now)
    assert lines(Appetite(9), now=now) == []


@pytest.mark.django_db
def test_a_portal_that_starts_alone_takes_up_what_a_killed_one_held(batch: Batch) -> None:
    lines(Appetite(9))
    assert not anything_to_claim(now=timezone.now())
    free_all()
    assert lines(Appetite(9), executor=uuid.uuid4()) == [[1, 2], [3, 4], [5, 6]]

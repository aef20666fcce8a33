"""When to try again."""

import random
from datetime import UTC, datetime

import pytest

from batches.engine.executor.backoff import THROTTLED, Policy, retry_at
from providers.base import Failure
from providers.failures import Kind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(max_attempts=3, base=0.5, cap=60, longest=600)


class Jitter(random.Random):
    """Always this share of the range."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def random(self) -> float:
        return self.share


def delay(kind: Kind = Kind.SERVER_ERROR, *, attempts: int = 1, share: float = 1.0, wait: float | None = None) -> float:
    failure = Failure(kind, "x", retry_after=wait)
    at = retry_at(failure, attempts=attempts, counted=1, policy=POLICY, now=NOW, jitter=Jitter(share))
    assert at is not None
    return (at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("attempts", "ceiling"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (7, 32), (8, 60), (9, 60), (31, 60), (1000, 60), (10**6, 60)]
)
def test_the_wait_is_anything_up_to_a_ceiling_that_doubles_until_the_cap(attempts: int, ceiling: float) -> None:
    assert [delay(attempts=attempts, share=share) for share in (0, 0.5, 1)] == pytest.approx([0, ceiling / 2, ceiling])


@pytest.mark.parametrize("kind", [Kind.RATE_LIMITED, Kind.OVERLOADED, Kind.SERVER_ERROR])
@pytest.mark.parametrize("wait", [0.0, 0.25, 7.0, 600.0])
def test_what_the_upstream_asks_for_is_a_lower_bound(kind: Kind, wait: float) -> None:
    assert delay(kind, wait=wait, share=0) == pytest.approx(wait)
    assert delay(kind, wait=wait, attempts=4, share=1) == pytest.approx(wait + 4)


def test_an_upstream_that_asks_for_no_wait_at_all_is_still_given_ever_more_rest() -> None:
    assert delay(Kind.RATE_LIMITED, wait=0.0, attempts=12, share=0.5) == pytest.approx(30)


@pytest.mark.parametrize("kind", Kind)
def test_only_what_can_help_is_tried_again(kind: Kind) -> None:
    at = retry_at(Failure(kind, "x"), attempts=1, counted=1, policy=POLICY, now=NOW, jitter=Jitter(0.5))
    assert (at is not None) == (kind.retryable or kind.is_of_account)


@pytest.mark.parametrize(("counted", "again"), [(0, True), (2, True), (3, False), (4, False)])
def test_attempts_that_count_end_at_the_limit_and_others_do_not(counted: int, again: object) -> None:
    failure = Failure(Kind.SERVER_ERROR, "x")
    at = retry_at(failure, attempts=40, counted=counted, policy=POLICY, now=NOW, jitter=Jitter(0.5))
    assert (at is not None) == again


@pytest.mark.parametrize("kind", [Kind.RATE_LIMITED, Kind.OVERLOADED, Kind.SERVER_ERROR])
@pytest.mark.parametrize("wait", [600.001, 3600.0, 86_400.0, 1.8e9, 1e300])
def test_a_long_wait_ends_after_the_longest_that_is_set_and_fails_nothing(kind: Kind, wait: float) -> None:
    """U7"""
    assert delay(kind, wait=wait, share=0) == 600


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.is_of_account])
@pytest.mark.parametrize(("counted", "ceiling"), [(0, 0.5), (1, 1), (2, 2)])
def test_a_failure_of_the_account_waits_for_its_own_sake_only(kind: Kind, counted: int, ceiling: float) -> None:
    """U5: the provider's hold decides about the rest, so that a probe finds something to send."""
    failure = Failure(kind, "x", retry_after=86_400)
    at = retry_at(failure, attempts=2000, counted=counted, policy=POLICY, now=NOW, jitter=Jitter(1))
    assert at is not None
    assert (at - NOW).total_seconds() == pytest.approx(ceiling)


def test_being_turned_away_is_what_does_not_count() -> None:
    assert {Kind.RATE_LIMITED, Kind.OVERLOADED} == THROTTLED
    assert all(kind.retryable and kind.answered for kind in THROTTLED)

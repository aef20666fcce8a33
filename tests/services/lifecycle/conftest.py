"""Leased slices of a batch, and the reports that an executor hands in about them."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Project
from batches.services.lifecycle.claim import Appetite, Lease, claim
from batches.services.lifecycle.settle import Receipt, Report, settle
from batches.services.tally.outcomes import Settled, Tried
from providers.base import Failure, Outcome, Success, Usage
from providers.failures import Kind
from providers.models import Provider
from tests.cast import request_lines, started

GOOD = Success(200, b'{"ok":true}', "req_1", Usage(input=9, output=3, cached=4, reasoning=1))


def bad(thing: str = "thing") -> Failure:
    """A failure that no retry helps."""
    return Failure(
        Kind.INVALID_REQUEST,
        f'No such "{thing}"',
        code="bad_thing",
        param="n",
        http_status=400,
        body=b'{"error":{}}',
        request_id="req_2",
    )


BAD = bad()

BUSY = Failure(Kind.RATE_LIMITED, "Slow down", code="slow", http_status=429, retry_after=7.5, request_id="req_3")

EAGER = Appetite(otherwise=100)


@pytest.fixture
def batch(project: Project, simulator: Provider, settings: Settings) -> Batch:
    """Six objects in two slices."""
    settings.SLICE_LINES = 3
    return started(project, request_lines(6))


@pytest.fixture
def leases(batch: Batch) -> list[Lease]:
    return claim(executor=uuid.uuid4(), appetite=EAGER, now=timezone.now())


def settled(lease: Lease, line: int, outcome: Outcome = GOOD, *, attempts: int = 1) -> Settled:
    return Settled(lease.piece.pk, lease.piece.batch.pk, line, 1, attempts, 12, outcome)


def tried(lease: Lease, line: int, number: int, failure: Failure = BUSY) -> Tried:
    at = timezone.now() + timedelta(seconds=8)
    return Tried(lease.piece.pk, lease.piece.batch.pk, line, 1, number, 34, failure, at)


def report(*leases: Lease, **more: object) -> Report:
    batches = {lease.piece.batch.pk: lease.piece.batch for lease in leases}
    epochs = {lease.piece.pk: lease.epoch for lease in leases}
    return Report(batches=batches, epochs=epochs, **more)  # type: ignore[arg-type]


def hand_in(*leases: Lease, **more: object) -> Receipt:
    return settle(report(*leases, **more), now=timezone.now())

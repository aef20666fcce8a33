"""A smoke test of a provider's batch API, with a real credential: one small job, from upload to removal.

It costs the price of ten small calls at most; a job that is cancelled in time costs nothing.
"""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from providers.base import CredentialUnavailable, Failure, Success
from providers.jobs import registry
from providers.jobs.base import (
    Created,
    Driver,
    Input,
    Intent,
    NotCreated,
    ResultsUnreadable,
    Row,
    RowKind,
    RowResult,
    Snapshot,
)
from providers.models import Provider
from providers.online.json_api import TRIALS

ROWS = 10
POLL_SECONDS = 5.0
LATE_LOOKS = 3  # after the end, while no results are named
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the test, and what came of it, in a sentence. A step that failed ends the test, but for the removal."""

    ok: bool
    message: str


class _Failed(Exception):
    """A step failed; the message says how."""


async def smoke(provider: Provider, *, family: str, model: str, seconds: float) -> AsyncIterator[Step]:
    """Upload ten requests, create a job, find it by its marker, cancel it, wait for its end, collect, and delete everything.

    `seconds` is how long the end is waited for.
    """
    try:
        driver = registry.connect(family, provider.connection())
    except (CredentialUnavailable, ValueError) as error:
        yield Step(False, str(error))
        return
    job: Snapshot | None = None
    try:
        intent, content = await _uploaded(driver, model)
        yield Step(True, f"{ROWS} requests were uploaded{f' as {intent.input_ref}' if intent.input_ref else ''}.")
        job = await _created(driver, intent, content)
        yield Step(True, f"Job {job.remote_id} was created; its state is '{job.word}'.")
        yield await _looked_for(driver, intent, job)
        job = _good(await driver.cancel(job.remote_id), "The job could not be cancelled")
        yield Step(True, f"The job was asked to stop; its state is '{job.word}'.")
        job = await _ended(driver, job, seconds=seconds)
        yield Step(True, f"The job has ended; its state is '{job.word}'.")
        yield Step(True, await _collected(driver, job, intent.endpoint))
    except _Failed as problem:
        yield Step(False, str(problem))
    finally:
        if job is not None and job.has_ended:
            left = await driver.remove(job)
            yield Step(not left, f"Still there: {'; '.join(left)}." if left else "Input and results were deleted.")
        elif job is not None:
            yield Step(False, f"Job {job.remote_id} is still there: delete it, and its input, at the provider.")
        await driver.close()


async def _uploaded(driver: Driver, model: str) -> tuple[Intent, Input]:
    endpoint = next((name for name in TRIALS if name in driver.profile.endpoints), "")
    body = msgspec.json.encode({"model": model, **TRIALS[endpoint]})
    rows = [Row(f"smoke{number:02d}", body) for number in range(ROWS)]
    file = io.BytesIO()
    content = Input(file, ROWS, driver.write_input(rows, endpoint=endpoint, into=file))
    marker = f"smoke-{uuid.uuid4().hex[:16]}"
    reference = _good(await driver.upload(content, name=marker), "The upload failed")
    before = _good(await driver.before_create(), "The list of jobs cannot be read")
    return Intent(marker, endpoint, model, driver.profile.windows[0], ROWS, reference, datetime.now(UTC), before), content


async def _created(driver: Driver, intent: Intent, content: Input) -> Snapshot:
    match await driver.create(intent, content):
        case Created(job):
            return job
        case NotCreated(failure):
            raise _Failed(f"No job was created: {failure.message}")
        case uncertain:
            raise _Failed(f"Whether a job was created is not certain: {uncertain.failure.message} Look for {intent.marker}.")


async def _looked_for(driver: Driver, intent: Intent, job: Snapshot) -> Step:
    found = _good(await driver.find(intent), "The list of jobs cannot be read")
    if [each.remote_id for each in found.jobs] != [job.remote_id]:
        raise _Failed(f"Looking for the job found {len(found.jobs)} jobs; a lost answer could not be made good here.")
    by = "its marker" if driver.profile.has_marker else "its time and its number of requests"
    return Step(True, f"The job was found again by {by}.")


async def _ended(driver: Driver, job: Snapshot, *, seconds: float) -> Snapshot:
    """The job after its end, with its results as far as they are named a few looks later."""
    until, late = asyncio.get_running_loop().time() + seconds, 0
    while not job.has_ended or (not job.outputs and late < LATE_LOOKS):
        late += job.has_ended
        if asyncio.get_running_loop().time() > until:
            raise _Failed(f"The job has not ended within {seconds:g} seconds; its state is '{job.word}'.")
        await asyncio.sleep(POLL_SECONDS)
        found = await driver.get(job.remote_id)
        job = found if isinstance(found, Snapshot) else job  # a failed look is no news
    return job


async def _collected(driver: Driver, job: Snapshot, endpoint: str) -> str:
    good = failed = stopped = odd = 0
    try:
        async for some in driver.results(job, endpoint=endpoint):
            rows = [each for each in some if isinstance(each, RowResult)]
            odd += len(some) - len(rows)
            stopped += sum(row.kind is not RowKind.OUTCOME for row in rows)
            good += sum(isinstance(row.outcome, Success) for row in rows)
            failed += sum(isinstance(row.outcome, Failure) for row in rows)
    except ResultsUnreadable as problem:
        if job.outputs:
            raise _Failed(f"The results cannot be read: {problem.failure.message}") from None
    if odd:
        raise _Failed(f"The results have {odd} lines that cannot be understood.")
    return f"Results: {good} succeeded, {failed} failed, {stopped} were stopped before they ran, of {ROWS}."


def _good(found: T | Failure, problem: str) -> T:
    if isinstance(found, Failure):
        raise _Failed(f"{problem}: {found.message}")
    return found

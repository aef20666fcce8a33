"""Steps: what is done about a job in each of its states. A step calls the provider, and a service records the outcome."""

import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.utils import timezone

from batches.engine.database_thread import DatabaseThread
from batches.models import ProviderJob
from batches.rules.errors import Gone, StorageAway
from batches.rules.execution import JobState
from batches.services.delegation import tidy, watching
from batches.services.delegation.creating import doubt, submitting
from batches.services.delegation.creating.budget import JobEstimate, has_budget
from batches.services.delegation.creating.submitting import InputUnreadable
from batches.services.delegation.due import put_off
from batches.services.delegation.prices import Prices
from batches.services.delegation.results import collecting, concluding
from providers.base import Failure
from providers.failures import Kind
from providers.jobs.base import (
    Created,
    Driver,
    Ending,
    Found,
    Input,
    JobStatus,
    NotCreated,
    ResultsUnreadable,
    RowResult,
    Snapshot,
)
from providers.models import Provider

SPOOLED_BYTES = 4 * 1024**2  # a smaller input stays in memory, a larger one goes to a file
ROWS_AT_ONCE = 2000
BYTES_AT_ONCE = 8 * 1024**2  # of answers that are recorded together
NOT_PROVEN = "job {}: it was never shown to be the portal's own, and is left alone"
SLACK = timedelta(minutes=5)
PORTAL_SECONDS = 30.0  # after a fault of the portal's own


class Steps:
    """Carries out one step of a job at a time, with a driver of its provider."""

    def __init__(self, database: DatabaseThread, inputs: DatabaseThread) -> None:
        self._database = database
        self._inputs = inputs  # for what reads or writes a whole input

    async def take(self, job: ProviderJob, driver: Driver) -> None:
        """Take the next step of a leased job. It gives the lease back unless it raises."""
        try:
            await self._take(job, driver)
        except StorageAway as error:  # nothing was sent of what could not be read
            await self._database(put_off, job, seconds=PORTAL_SECONDS, now=timezone.now(), failure=str(error))

    async def _take(self, job: ProviderJob, driver: Driver) -> None:
        match JobState(job.state):
            case JobState.PREPARING:
                await self._create(job, driver)
            case JobState.SENDING:  # whoever made the call is gone
                await self._database(doubt.in_doubt, job, None, now=timezone.now())
            case JobState.UNCERTAIN:
                found = await driver.find(submitting.intent_of(job))
                await self._database(doubt.looked_for, job, found, now=timezone.now())
            case JobState.RUNNING:
                await self._look(job, driver)
            case JobState.COLLECTING:
                await self._collect(job, driver)
            case JobState.ENDED | JobState.REFUSED:
                await self._database(tidy.removed, job, await self._removed(job, driver), now=timezone.now())

    async def _removed(self, job: ProviderJob, driver: Driver) -> Sequence[str]:
        """Delete at the provider what a job has stored there. What is left, in words."""
        if not job.is_proven:
            return [NOT_PROVEN.format(job.remote_id)]
        left = list(await driver.remove(as_snapshot(job))) if job.input_ref or job.remote_id else []
        if job.uploads > 1 or (job.uploads and not job.input_ref):  # of one of them, nobody knows what came
            names = [job.marker, *job.former_markers]
            left += await driver.sweep(names, since=job.created_at - SLACK)
        return left

    async def _create(self, job: ProviderJob, driver: Driver) -> None:
        """Upload the input unless it is there, then make the create call once."""
        if not await self._database(submitting.may_be_created, job):
            await self._database(submitting.nothing_to_send, job, now=timezone.now())
            return
        if job.estimated_tokens is not None and not await self._database(submitting.within_budget, job, now=timezone.now()):
            return
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as file:
            content = None
            if not job.input_ref:
                content = await self._written(job, driver, file)
                if content is None or not await self._database(submitting.within_budget, job, now=timezone.now()):
                    return
                await self._database(submitting.begin_upload, job, now=timezone.now())
                reference = await driver.upload(content, name=job.marker)
                if isinstance(reference, Failure):
                    later = reference.kind.retryable  # an upload creates nothing, so that it may be repeated
                    await self._database(submitting.not_created, job, reference, later=later, now=timezone.now())
                    return
                await self._database(
                    submitting.note_uploaded,
                    job,
                    rows=content.rows,
                    size=content.bytes,
                    input_ref=reference,
                    now=timezone.now(),
                )
            before = await driver.before_create()
            if isinstance(before, Failure):
                await self._database(submitting.not_created, job, before, later=True, now=timezone.now())
            elif await self._database(submitting.begin_sending, job, before=before, now=timezone.now()):
                await self._send(job, driver, content)

    async def _send(self, job: ProviderJob, driver: Driver, content: Input | None) -> None:
        intent = submitting.intent_of(job)
        if timezone.now() - intent.since > timedelta(seconds=settings.JOB_DOUBT_SECONDS / 2):
            # This process stood still after its intent was committed: by now another may look for the job in vain.
            await self._database(doubt.in_doubt, job, None, now=timezone.now())
            return
        made = await driver.create(intent, content)
        now = timezone.now()
        if isinstance(made, Created):
            await self._database(submitting.created, job, made.job, now=now)
        elif isinstance(made, NotCreated):
            await self._database(submitting.not_created, job, made.failure, later=made.later, now=now)
        else:
            await self._database(doubt.in_doubt, job, made.failure, now=now)

    async def _written(self, job: ProviderJob, driver: Driver, file: "IO[bytes]") -> Input | None:
        """The input of a job in its family's format. None if there is nothing to send. Raises StorageAway."""

        def write() -> tuple[int, int]:
            rows = size = 0
            estimate = JobEstimate(job) if has_budget(job.batch) else None
            for found in submitting.rows_of(job):
                rows += len(found)
                if estimate is not None:
                    estimate.add(found)
                size += driver.write_input(found, endpoint=job.batch.endpoint, into=file)  # type: ignore[arg-type]
            if estimate is not None:
                submitting.note_estimated(job, estimate, now=timezone.now())
            return rows, size

        try:
            rows, size = await self._inputs(write)
        except (Gone, InputUnreadable) as error:
            failure = Failure(Kind.PORTAL, str(error))
            await self._database(submitting.not_created, job, failure, later=False, now=timezone.now())
            return None
        if not rows:
            await self._database(submitting.nothing_to_send, job, now=timezone.now())
            return None
        return Input(file, rows, size)  # type: ignore[arg-type]

    async def _look(self, job: ProviderJob, driver: Driver) -> None:
        """See how a job stands; or cancel it, if it was taken back."""
        if watching.is_to_be_cancelled(job):
            found, record = await driver.cancel(job.remote_id), watching.cancel_asked
        else:
            found, record = await driver.get(job.remote_id), watching.running
        if isinstance(found, Failure):
            await self._database(concluding.missed, job, found, now=timezone.now())
            return
        await self._database(record, job, found, now=timezone.now())
        if job.former_markers and driver.profile.has_marker:
            await self._look_for_former(job, driver)

    async def _look_for_former(self, job: ProviderJob, driver: Driver) -> None:
        """Cancel jobs of create calls of which nothing seemed to have come."""
        listed = await driver.recent(since=job.created_at - SLACK)
        if isinstance(listed, Found):
            await self.cancel_surfaced(job.provider, listed.jobs, driver)

    async def cancel_surfaced(self, provider: Provider, listed: Sequence[Snapshot], driver: Driver) -> None:
        """Cancel those of the listed jobs that were taken for lost and run: they are paid beside their successors."""
        for surfaced in await self._database(doubt.note_surfaced, provider, listed, now=timezone.now()):
            await driver.cancel(surfaced)

    async def _collect(self, job: ProviderJob, driver: Driver) -> None:
        """Bring the results home. The job is shown once more, since results may be named after its end."""
        found = await driver.get(job.remote_id)
        if isinstance(found, Failure) and not job.outputs:  # nobody knows whether there are results
            await self._database(concluding.missed, job, found, now=timezone.now())
            return
        seen = found if isinstance(found, Snapshot) and found.has_ended else as_snapshot(job)
        prices = await self._inputs(Prices, job)
        rows: list[RowResult] = []
        size = unreadable = busy = foreign = 0
        try:
            if seen.outputs:
                async with aclosing(driver.results(seen, endpoint=job.batch.endpoint)) as results:
                    async for some in results:
                        readable = [each for each in some if isinstance(each, RowResult)]
                        unreadable += len(some) - len(readable)
                        rows += readable
                        size += sum(len(each.outcome.body) for each in readable if each.outcome is not None)
                        if len(rows) >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
                            taken = await self._database(collecting.collect, job, rows, prices, now=timezone.now())
                            busy, foreign = busy + taken.busy, foreign + taken.foreign
                            rows, size = [], 0
        except ResultsUnreadable as problem:
            if rows:
                await self._database(collecting.collect, job, rows, prices, now=timezone.now())
            await self._database(concluding.unreadable_results, job, problem.failure, now=timezone.now())
            return
        taken = await self._database(collecting.collect, job, rows, prices, now=timezone.now())
        reading = concluding.Reading(
            outputs=list(seen.outputs), busy=busy + taken.busy, foreign=foreign + taken.foreign, unreadable=unreadable
        )
        await self._database(concluding.finish, job, reading, now=timezone.now())


def as_snapshot(job: ProviderJob) -> Snapshot:
    """A job as its provider showed it last."""
    return Snapshot(
        remote_id=job.remote_id,
        status=JobStatus.ENDED,
        word=job.word,
        ending=Ending(job.ending) if job.ending else None,
        marker=job.marker,
        input_ref=job.input_ref,
        outputs=tuple(job.outputs),
        ended_at=job.remote_ended_at,
    )

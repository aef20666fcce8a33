"""Steps: what is done about a job in each of its states. A step calls the provider, and a service records the outcome."""

import logging
import tempfile
from typing import IO

from django.utils import timezone

from batches.engine.delegation.database import DatabaseThread
from batches.models import ProviderJob
from batches.rules.errors import Gone, StorageAway
from batches.rules.execution import JobState
from batches.services.delegation import collecting, submitting, tidy, watching
from batches.services.delegation.due import put_off
from batches.services.delegation.prices import Prices
from batches.services.delegation.submitting import InputUnreadable
from providers.base import Failure
from providers.failures import Kind
from providers.jobs.base import (
    Created,
    Driver,
    Ending,
    Input,
    JobStatus,
    NotCreated,
    OddLine,
    ResultsUnreadable,
    RowResult,
    Snapshot,
)

logger = logging.getLogger(__name__)

SPOOLED_BYTES = 4 * 1024**2  # a smaller input stays in memory, a larger one goes to a file
ROWS_AT_ONCE = 2000
BYTES_AT_ONCE = 8 * 1024**2  # of answers that are recorded together
PORTAL_SECONDS = 30.0  # after a fault of the portal's own


class Steps:
    """Carries out one step of a job at a time, with a driver of its provider."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def take(self, job: ProviderJob, driver: Driver) -> None:
        """Take the next step of a leased job. It gives the lease back unless it raises."""
        match JobState(job.state):
            case JobState.PREPARING:
                await self._create(job, driver)
            case JobState.SENDING:  # whoever made the call is gone
                await self._database(submitting.in_doubt, job, None, now=timezone.now())
            case JobState.UNCERTAIN:
                found = await driver.find(submitting.intent_of(job))
                await self._database(submitting.looked_for, job, found, now=timezone.now())
            case JobState.RUNNING:
                await self._look(job, driver)
            case JobState.COLLECTING:
                await self._collect(job, driver)
            case JobState.ENDED | JobState.REFUSED:
                left = await driver.remove(as_snapshot(job))
                await self._database(tidy.removed, job, left, now=timezone.now())

    async def _create(self, job: ProviderJob, driver: Driver) -> None:
        """Upload the input unless it is there, then make the create call once."""
        if not await self._database(submitting.may_be_created, job):
            await self._database(submitting.nothing_to_send, job, now=timezone.now())
            return
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as file:
            content = None
            if not job.input_ref:
                content = await self._written(job, driver, file)
                if content is None:
                    return
                reference = await driver.upload(content, name=job.marker)
                if isinstance(reference, Failure):
                    await self._database(submitting.not_created, job, reference, later=_later(reference), now=timezone.now())
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
        made = await driver.create(submitting.intent_of(job), content)
        now = timezone.now()
        if isinstance(made, Created):
            await self._database(submitting.created, job, made.job, now=now)
        elif isinstance(made, NotCreated):
            await self._database(submitting.not_created, job, made.failure, later=made.later, now=now)
        else:
            await self._database(submitting.in_doubt, job, made.failure, now=now)

    async def _written(self, job: ProviderJob, driver: Driver, file: "IO[bytes]") -> Input | None:
        """The input of a job in its family's format. None if there is nothing to send, or it cannot be read now."""

        def write() -> tuple[int, int]:
            rows = size = 0
            for found in submitting.rows_of(job):
                rows += len(found)
                size += driver.write_input(found, endpoint=job.batch.endpoint, into=file)  # type: ignore[arg-type]
            return rows, size

        try:
            rows, size = await self._database(write)
        except StorageAway as error:
            await self._database(put_off, job, seconds=PORTAL_SECONDS, now=timezone.now(), failure=str(error))
            return None
        except (Gone, InputUnreadable) as error:
            failure = Failure(Kind.PORTAL, str(error))
            await self._database(submitting.not_created, job, failure, later=False, now=timezone.now())
            return None
        if not rows:
            await self._database(submitting.nothing_to_send, job, now=timezone.now())
            return None
        return Input(file, rows, size)  # type: ignore[arg-type]

    async def _look(self, job: ProviderJob, driver: Driver) -> None:
        """See how a job stands; or cancel it, if it was taken back and cancelling it keeps what is done."""
        if watching.is_to_be_cancelled(job):
            found = await driver.cancel(job.remote_id)
            await self._database(watching.cancel_asked, job, found, now=timezone.now())
            return
        found = await driver.get(job.remote_id)
        if isinstance(found, Failure):
            await self._database(watching.missed, job, found, now=timezone.now())
        else:
            await self._database(watching.running, job, found, now=timezone.now())

    async def _collect(self, job: ProviderJob, driver: Driver) -> None:
        """Bring the results home. The job is shown once more, since results may be named after its end."""
        found = await driver.get(job.remote_id)
        seen = found if isinstance(found, Snapshot) and found.has_ended else as_snapshot(job)
        if isinstance(found, Snapshot):
            job.outputs = list(seen.outputs)
        prices = await self._database(Prices, job)
        rows: list[RowResult] = []
        size = unreadable = busy = 0
        try:
            if seen.outputs:
                async for each in driver.results(seen, endpoint=job.batch.endpoint):
                    if isinstance(each, OddLine):
                        unreadable += not job.looks  # lines without an id are counted the first time alone
                        continue
                    rows.append(each)
                    size += len(each.outcome.body) if each.outcome is not None else 0
                    if len(rows) >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
                        busy += await self._database(collecting.collect, job, rows, prices, now=timezone.now())
                        rows, size = [], 0
        except ResultsUnreadable as problem:
            if rows:
                await self._database(collecting.collect, job, rows, prices, now=timezone.now())
            await self._database(collecting.unreadable_results, job, problem.failure, now=timezone.now())
            return
        busy += await self._database(collecting.collect, job, rows, prices, unreadable=unreadable, now=timezone.now())
        await self._database(collecting.finish, job, busy=busy, outputs=list(seen.outputs), now=timezone.now())


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


def _later(failure: Failure) -> bool:
    """Whether an upload that failed is repeated: it has created nothing."""
    return failure.kind.retryable

"""The delegator: the loop that takes up due provider jobs and speaks to their providers. It ends when nothing is due."""

import asyncio
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.engine.delegation.database import DatabaseThread
from batches.engine.delegation.drivers import Drivers
from batches.engine.delegation.steps import Steps
from batches.engine.shutdown import stopping
from batches.models import ProviderJob
from batches.rules.errors import LostRace
from batches.rules.execution import JobState
from batches.services.delegation import due, hand_over, submitting, watching
from providers.base import CredentialUnavailable, Failure
from providers.jobs.base import Driver, Found

logger = logging.getLogger(__name__)

AT_ONCE = 16  # jobs that are worked on at one time
LISTED_FROM = 4  # so many running jobs of one provider are looked at with a list instead of one by one
LISTED_AT_ONCE = 20_000
AGAIN_SECONDS = 30.0  # after a fault of the portal's own
IDLE_SECONDS = 2.0  # how long a delegator without work waits for more
RUN_SECONDS = 3600.0
SLACK = timedelta(minutes=5)


def run() -> None:
    """Run a delegator until no job is due for a while. Any number of them may run; leases keep them apart."""
    if hand_over.anything_to_hand_over() or due.anything_due(now=timezone.now()):
        asyncio.run(Delegator(uuid7()).run())


class Delegator:
    """One run of the loop."""

    def __init__(self, owner: uuid.UUID) -> None:
        self._owner = owner
        self._database = DatabaseThread()
        self._drivers = Drivers()
        self._steps = Steps(self._database)
        self._working: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._held: dict[uuid.UUID, set[uuid.UUID]] = {}  # the jobs that each of these tasks works on

    async def run(self) -> None:
        """Work until nothing is due, or the process is told to stop. What is in hand is finished."""
        renewing = asyncio.create_task(self._renew())
        until, idle_since = time.monotonic() + RUN_SECONDS, time.monotonic()
        try:
            while not stopping.is_set() and time.monotonic() < until:
                if await self._turn() or self._working:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > IDLE_SECONDS:
                    break
                await self._wait()
            if self._working:
                await asyncio.wait(self._working.values(), timeout=settings.CANCEL_GRACE_SECONDS)
        finally:
            renewing.cancel()
            for task in self._working.values():
                task.cancel()
            await asyncio.gather(*self._working.values(), renewing, return_exceptions=True)
            await self._drivers.close()
            await self._database.close()

    async def _turn(self) -> bool:
        """Lay jobs over new batches, and begin a step of each job that is due. Whether there was anything to do."""
        try:
            handed = await self._database(hand_over.hand_over_some, now=timezone.now())
            room = AT_ONCE - len(self._working)
            if room <= 0:
                return bool(handed)
            jobs = await self._database(due.take_due, self._owner, now=timezone.now(), most=room)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database did not answer (%s); trying again", type(error).__name__)
            await asyncio.sleep(1)
            return True
        by_provider: defaultdict[uuid.UUID, list[ProviderJob]] = defaultdict(list)
        for job in jobs:
            if job.state == JobState.RUNNING and not job.recall and not job.former_credential:
                by_provider[job.provider_id].append(job)
            else:
                self._begin(job)
        for some in by_provider.values():
            if len(some) >= LISTED_FROM:
                self._begin(some[0], among=some)
            else:
                for job in some:
                    self._begin(job)
        return bool(handed or jobs)

    def _begin(self, job: ProviderJob, among: Sequence[ProviderJob] = ()) -> None:
        task = asyncio.create_task(self._list(among) if among else self._step(job))
        self._working[job.pk] = task
        self._held[job.pk] = {one.pk for one in among} or {job.pk}
        task.add_done_callback(lambda done: self._done(job.pk, done))

    def _done(self, key: uuid.UUID, task: asyncio.Task[None]) -> None:
        if self._working.get(key) is task:  # else the job was taken up again after its lease had run out
            del self._working[key]
            self._held.pop(key, None)

    async def _wait(self) -> None:
        """Wait until a step ends, for a moment at most."""
        if self._working:
            await asyncio.wait(self._working.values(), timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(0.5)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(settings.LEASE_SECONDS / 4)
            try:
                await self._database(due.renew, self._owner, [key for keys in self._held.values() for key in keys])
            except (OperationalError, InterfaceError):
                logger.warning("the leases of provider jobs could not be renewed")

    async def _step(self, job: ProviderJob) -> None:
        try:
            driver = await self._driver(job)
            await self._steps.take(job, driver)
        except LostRace:
            pass  # another worker has the job
        except (CredentialUnavailable, KeyError, ValueError) as error:
            await self._put_off([job], f"This worker cannot speak to the provider: {error}")
        except asyncio.CancelledError:
            raise
        except Exception as error:
            logger.exception("a step of job %s failed", job.marker)
            await self._put_off([job], f"A step failed ({type(error).__name__}).")

    async def _driver(self, job: ProviderJob) -> Driver:
        key, connection = await self._database(self._drivers.connection_of, job)
        return self._drivers.open(key, connection)

    async def _list(self, jobs: Sequence[ProviderJob]) -> None:
        """Look at many running jobs of one provider with its list; one by one if it has none."""
        try:
            driver = await self._driver(jobs[0])
            if not driver.profile.lists:
                await self._each(jobs, driver)
                return
            soon = timezone.now() + timedelta(seconds=settings.JOB_POLL_SECONDS / 2)
            more = await self._database(
                due.take_running,
                self._owner,
                provider_id=jobs[0].provider_id,
                now=timezone.now(),
                until=soon,
                most=LISTED_AT_ONCE,
            )
            jobs = [*jobs, *(job for job in more if not job.former_credential)]
            if jobs[0].pk in self._held:
                self._held[jobs[0].pk].update(job.pk for job in jobs)
            oldest = min(job.remote_created_at or job.created_at for job in jobs)
            found = await driver.recent(since=oldest - SLACK)
            for surfaced in await self._database(self._record, jobs, found):
                await driver.cancel(surfaced)
        except LostRace:
            pass
        except Exception as error:
            logger.exception("the jobs of a provider could not be looked at")
            await self._put_off(jobs, f"The list of jobs could not be read ({type(error).__name__}).")

    async def _each(self, jobs: Sequence[ProviderJob], driver: Driver) -> None:
        for job in jobs:
            try:
                await self._steps.take(job, driver)
            except LostRace:
                continue

    def _record(self, jobs: Sequence[ProviderJob], found: Found | Failure) -> list[str]:
        """Record what a list showed of these jobs. A job that is not in it has no news.

        The answer are jobs that were taken for lost and run: they are to be cancelled.
        """
        shown = {} if isinstance(found, Failure) else {job.remote_id: job for job in found.jobs}
        for job in jobs:
            now = timezone.now()
            try:
                if seen := shown.get(job.remote_id):
                    watching.running(job, seen, now=now)
                else:
                    watching.missed(job, found if isinstance(found, Failure) else watching.NOT_LISTED, now=now)
            except LostRace:
                continue
        if isinstance(found, Failure):
            return []
        return submitting.note_surfaced(jobs[0].provider, found.jobs, now=timezone.now())

    async def _put_off(self, jobs: Sequence[ProviderJob], reason: str) -> None:
        for job in jobs:
            try:
                await self._database(due.put_off, job, seconds=AGAIN_SECONDS, now=timezone.now(), failure=reason)
            except (LostRace, OperationalError, InterfaceError):
                continue  # the lease runs out

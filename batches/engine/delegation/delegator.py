"""The delegator: the loop that takes up due provider jobs and speaks to their providers. It ends when nothing is due."""

import asyncio
import logging
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.engine.database_thread import DatabaseThread
from batches.engine.delegation.drivers import Drivers
from batches.engine.delegation.steps import Steps
from batches.engine.shutdown import stopping
from batches.models import ProviderJob
from batches.rules.errors import LostRace
from batches.rules.execution import JobState
from batches.services.delegation import due, watching
from batches.services.delegation.creating import hand_over
from batches.services.telemetry.hand_in import hand_in_quietly
from providers.base import CredentialUnavailable, Failure
from providers.jobs.base import Driver, Found

logger = logging.getLogger(__name__)

AT_ONCE = 16  # jobs that are worked on at one time
LISTED_FROM = 4  # fewer running jobs of one provider are looked at one by one instead of with a list
LISTED_AT_ONCE = 20_000
HAND_OVER_SECONDS = 1.0  # between two looks for batches that wait for their jobs
RECORDED_AT_ONCE = 1000  # so many are recorded in one transaction
AGAIN_SECONDS = 30.0  # after a fault of the portal's own
IDLE_SECONDS = 2.0  # how long a delegator without work waits for more
RUN_SECONDS = 3600.0
SLACK = timedelta(minutes=5)
MINUTE = 60.0


class NoDriver(Exception):
    """This worker cannot speak to a provider: it lacks the credential or the driver, or cannot use the settings."""


def run() -> None:
    """Run a delegator until no job is due for a while. Any number of them may run; leases keep them apart."""
    now = timezone.now()
    if hand_over.anything_to_hand_over(now=now) or due.anything_due(now=now):
        asyncio.run(Delegator(uuid7()).run())


class Delegator:
    """One run of the loop."""

    def __init__(self, owner: uuid.UUID) -> None:
        self._owner = owner
        self._database = DatabaseThread("delegation")
        self._leases = DatabaseThread("delegation")  # they are renewed on time however long a step takes
        self._inputs = DatabaseThread("delegation")  # a long input holds no other job up
        self._drivers = Drivers()
        self._steps = Steps(self._database, self._inputs)
        self._asked: defaultdict[uuid.UUID, deque[float]] = defaultdict(deque)  # when jobs of a provider were looked at singly
        self._handed_at = float("-inf")
        self._working: dict[asyncio.Task[None], set[uuid.UUID]] = {}  # each task, and the jobs that it works on

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
                await asyncio.wait(self._working, timeout=settings.CANCEL_GRACE_SECONDS)
        finally:
            renewing.cancel()
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, renewing, return_exceptions=True)
            await self._drivers.close()
            for thread in (self._database, self._leases, self._inputs):
                await thread.close()

    async def _turn(self) -> bool:
        """Lay jobs over new batches, and begin a step of each job that is due. Whether there was anything to do."""
        try:
            handed = await self._hand_over()
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
            if job.state == JobState.RUNNING and not job.former_credential and not watching.is_to_be_cancelled(job):
                by_provider[job.provider_id].append(job)
            else:
                self._begin(job)
        for some in by_provider.values():
            self._begin(some[0], among=some)
        return bool(handed or jobs)

    async def _hand_over(self) -> int:
        """Lay jobs over new batches, if that was not done a moment ago. How many batches. It also tells what was counted."""
        if time.monotonic() < self._handed_at + HAND_OVER_SECONDS:
            return 0
        await self._database(hand_in_quietly, now=timezone.now())
        handed = await self._database(hand_over.hand_over_some, now=timezone.now())
        self._handed_at = float("-inf") if handed else time.monotonic()
        return handed

    def _begin(self, job: ProviderJob, among: Sequence[ProviderJob] = ()) -> None:
        task = asyncio.create_task(self._list(among) if among else self._step(job))
        self._working[task] = {job.pk, *(one.pk for one in among)}
        task.add_done_callback(self._working.pop)

    async def _wait(self) -> None:
        """Wait until a step ends, for a moment at most."""
        if self._working:
            await asyncio.wait(self._working, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(0.5)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(settings.LEASE_SECONDS / 4)
            try:
                await self._leases(due.renew, self._owner, [key for keys in self._working.values() for key in keys])
            except (OperationalError, InterfaceError):
                logger.warning("the leases of provider jobs could not be renewed")

    async def _step(self, job: ProviderJob) -> None:
        try:
            driver = await self._driver(job)
            await self._steps.take(job, driver)
        except LostRace:
            pass  # another worker has the job
        except NoDriver as error:
            await self._put_off([job], str(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            logger.exception("a step of job %s failed", job.marker)
            await self._put_off([job], f"A step failed ({type(error).__name__}).")

    async def _driver(self, job: ProviderJob) -> Driver:
        """The driver for a job. Raises NoDriver."""
        try:
            key, connection = await self._database(self._drivers.connection_of, job)
            return self._drivers.open(key, connection)
        except (CredentialUnavailable, KeyError, ValueError) as error:
            raise NoDriver(f"This worker cannot speak to the provider: {error}") from error

    async def _list(self, jobs: Sequence[ProviderJob]) -> None:
        """Look at the running jobs of one provider that are due or soon will be: with its list if that takes fewer calls."""
        try:
            driver = await self._driver(jobs[0])
            if driver.profile.lists:
                jobs = [*jobs, *await self._due_soon(jobs[0].provider_id)]
            if not driver.profile.lists or len(jobs) < max(LISTED_FROM, await self._database(watching.calls_of, jobs[0])):
                await self._each(jobs)
                return
            found = await driver.recent(since=min(map(_listed_since, jobs)) - SLACK)
            await self._record(jobs, found, driver)
        except LostRace:
            pass
        except NoDriver as error:
            await self._put_off(jobs, str(error))
        except Exception as error:
            logger.exception("the jobs of a provider could not be looked at")
            await self._put_off(jobs, f"The list of jobs could not be read ({type(error).__name__}).")

    async def _each(self, jobs: Sequence[ProviderJob]) -> None:
        """Look at jobs one by one, AT_ONCE at a time. A job waits for its next turn if its provider was asked often enough."""
        if not jobs:
            return
        asked, now = self._asked[jobs[0].provider_id], time.monotonic()
        while asked and asked[0] <= now - MINUTE:
            asked.popleft()
        allowed = max(settings.JOB_POLLS_PER_MINUTE - len(asked), 0)
        asked.extend([now] * min(allowed, len(jobs)))
        if later := jobs[allowed:]:
            await self._database(watching.look_later, later, now=timezone.now())
        for some in _pieces(jobs[:allowed], AT_ONCE):
            await asyncio.gather(*map(self._step, some))

    async def _due_soon(self, provider_id: uuid.UUID) -> list[ProviderJob]:
        """Lease the other running jobs of a provider that are due within half an interval."""
        now = timezone.now()
        until = now + timedelta(seconds=settings.JOB_POLL_SECONDS / 2)
        jobs = await self._database(
            due.take_running, self._owner, provider_id=provider_id, now=now, until=until, most=LISTED_AT_ONCE
        )
        if (task := asyncio.current_task()) in self._working:
            self._working[task].update(job.pk for job in jobs)
        return jobs

    async def _record(self, jobs: Sequence[ProviderJob], found: Found | Failure, driver: Driver) -> None:
        """Record what a list showed of these jobs. A job that is not in it has no news.

        It is asked for by itself if the list was cut, and if it was taken back: when it cannot be found either, it is given up.
        Jobs in the list that were taken for lost and run are cancelled.
        """
        listed = () if isinstance(found, Failure) else found.jobs
        shown = {job.remote_id: job for job in listed}
        for some in _pieces([job for job in jobs if job.remote_id in shown], RECORDED_AT_ONCE):
            seen = [(job, shown[job.remote_id]) for job in some]
            await self._database(watching.listed, seen, calls=len(listed) / driver.profile.lists, now=timezone.now())
        failure = found if isinstance(found, Failure) else watching.NOT_LISTED
        is_cut = isinstance(found, Found) and not found.is_complete
        unseen = [job for job in jobs if job.remote_id not in shown]
        for some in _pieces([job for job in unseen if not is_cut and not job.recall], RECORDED_AT_ONCE):
            await self._database(watching.not_listed, some, failure, now=timezone.now())
        await self._each([job for job in unseen if is_cut or job.recall])
        others = shown.keys() - {job.remote_id for job in jobs}
        rest = [shown[remote_id] for remote_id in others]
        await self._steps.cancel_surfaced(jobs[0].provider, rest, driver)

    async def _put_off(self, jobs: Sequence[ProviderJob], reason: str) -> None:
        for job in jobs:
            try:
                await self._database(due.put_off, job, seconds=AGAIN_SECONDS, now=timezone.now(), failure=reason)
            except (LostRace, OperationalError, InterfaceError):
                continue  # the lease runs out


def _listed_since(job: ProviderJob) -> datetime:
    """From when a list shows a job, and those of its former create calls."""
    return job.created_at if job.former_markers else job.remote_created_at or job.created_at


def _pieces(jobs: Sequence[ProviderJob], size: int) -> Iterator[Sequence[ProviderJob]]:
    """The jobs in runs of this size."""
    return (jobs[start : start + size] for start in range(0, len(jobs), size))

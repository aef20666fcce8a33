"""A portal that delegates is killed, held up or cut off, while it hands a batch to a provider's batch API or brings it home."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.batch_apis import BatchApis, Create, Plan
from tests.chaos.client import Run
from tests.chaos.faults import Servers, frozen, kill
from tests.chaos.stage import KNOBS, Stage, stage

LINES = 150  # three jobs
JOBS = 3
DONE = Plan(seconds=0)  # a job that has ended when it is looked at first
LEASE_SECONDS = float(KNOBS["LEASE_SECONDS"])
_SETTINGS = """
from batches.models import Project
from providers.models import Provider
Project.objects.update(may_delegate={delegates})
local = Provider.objects.get(name="local")
local.base_url, local.jobs_family, local.execution = {base_url!r}, {family!r}, {execution!r}
local.set_credential("sk-chaos-0123456789")
local.save()
"""


@contextlib.contextmanager
def delegating(stage: Stage) -> Iterator[BatchApis]:
    """A provider that runs every batch with its batch API, in place of the usual one."""
    with BatchApis() as apis:
        apis.plan(default=DONE)
        _set(stage, delegates=True, base_url=apis.url("openai"), family="openai", execution="delegated")
        try:
            yield apis
        finally:
            _set(stage, delegates=False, base_url=stage.upstream.base_url, family="", execution="")


def _set(stage: Stage, **values: object) -> None:
    said = stage.portal.manage("shell", "-c", _SETTINGS.format(**values))
    assert said.returncode == 0, said.stderr


def is_silent(stage: Stage, apis: BatchApis) -> bool:
    """Whether a create call is under way whose intent is on record."""
    asked = any(method == "POST" and path.endswith("/batches") for method, path in apis.world.calls)
    return asked and stage.rows("SELECT count(*) FROM batches_providerjob WHERE state = 'sending'") != [(0,)]


def is_being_read(stage: Stage, apis: BatchApis) -> bool:
    del stage
    return any(job.readings for job in apis.jobs)


Moment = Callable[[Stage, BatchApis], bool]
MOMENTS = [
    pytest.param(Plan(seconds=0, create=Create.SILENT_BEFORE), is_silent, id="between intent and send"),
    pytest.param(Plan(seconds=0, create=Create.SILENT_AFTER), is_silent, id="between send and record", marks=pytest.mark.gate),
    pytest.param(Plan(seconds=0, stalls=1), is_being_read, id="in the middle of the results"),
]


@pytest.mark.parametrize(("plan", "moment"), MOMENTS)
def test_a_killed_embedded_portal_makes_no_job_twice_and_brings_everything_home(
    tmp_path: Path, plan: Plan, moment: Moment
) -> None:
    with stage(tmp_path) as embedded, delegating(embedded) as apis:
        apis.plan(plan)
        run = embedded.begin(LINES)
        embedded.wait_until(lambda: moment(embedded, apis), what="the moment had come")

        embedded.portal.stop(signal.SIGKILL)
        embedded.portal.wait_until_gone()
        embedded.portal.start()

        _assert_home(embedded, apis, run)


@pytest.mark.servers
@pytest.mark.parametrize(("plan", "moment"), MOMENTS)
def test_a_killed_delegator_makes_no_job_twice_and_brings_everything_home(grown_up: Stage, plan: Plan, moment: Moment) -> None:
    with delegating(grown_up) as apis:
        apis.plan(plan)
        run = grown_up.begin(LINES)
        grown_up.wait_until(lambda: moment(grown_up, apis), what="the moment had come")

        kill(_delegators(grown_up))

        _assert_home(grown_up, apis, run)


@pytest.mark.servers
def test_a_delegator_that_stands_still_longer_than_its_lease_does_no_harm_when_it_goes_on(grown_up: Stage) -> None:
    with delegating(grown_up) as apis:
        apis.plan(Plan(seconds=0, create=Create.SILENT_AFTER))
        run = grown_up.begin(LINES)
        grown_up.wait_until(lambda: is_silent(grown_up, apis), what="a create call was under way")

        with contextlib.ExitStack() as still:
            for pid in _delegators(grown_up):
                still.enter_context(frozen(pid))
            time.sleep(LEASE_SECONDS + 1)

        _assert_home(grown_up, apis, run)


@pytest.mark.servers
def test_a_restarted_database_loses_no_job(grown_up: Stage, servers: Servers) -> None:
    with delegating(grown_up) as apis:
        apis.plan(Plan(seconds=0, create=Create.SILENT_AFTER))
        run = grown_up.begin(LINES)
        grown_up.wait_until(lambda: is_silent(grown_up, apis), what="a create call was under way")

        servers.restart_postgresql(away=2)
        grown_up.portal.wait_until_ready()

        _assert_home(grown_up, apis, run)


def _delegators(stage: Stage) -> list[int]:
    """The processes that speak to providers' batch APIs, and the one that keeps them."""
    found = []
    for pid in stage.portal.pids():
        with contextlib.suppress(OSError):
            if "--queues delegate" in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                found.append(pid)
    assert found
    return found


def _assert_home(stage: Stage, apis: BatchApis, run: Run) -> None:
    batch = stage.assert_one_outcome_each(run)
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}
    assert len(apis.jobs) == JOBS
    stage.wait_until(lambda: not apis.world.files, what="nothing was left at the provider")

"""A stand-in for a provider's batch API, a provider that points to it, and a stage that plays a delegated batch through."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.delegation import delegator
from batches.models import Batch, Project, ProviderJob
from batches.rules.states import BatchStatus
from batches.services.delegation.take_back import recall
from providers.models import Provider
from tests.batch_apis import BatchApis
from tests.cast import CHAT, TESTER, ended, provider_at, request_line, run_executor, started
from tests.waiting import PATIENCE

MESSAGES = "/v1/messages"


@pytest.fixture
def apis() -> Iterator[BatchApis]:
    with BatchApis() as served:
        yield served


@pytest.fixture(params=["openai", "anthropic"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    """Shorten the waits, so that a look follows the other."""
    settings.JOB_POLL_SECONDS = 0.05
    settings.JOB_DOUBT_SECONDS = 1.5
    settings.JOB_GRACE_SECONDS = 0.3
    settings.SLICE_LINES = 5
    settings.JOB_ROWS = 10
    settings.BACKOFF_BASE_SECONDS = 0.01


@dataclass
class Stage:
    """One provider with a batch API, and one project that may use it."""

    apis: BatchApis
    family: str
    project: Project
    provider: Provider

    @property
    def endpoint(self) -> str:
        return MESSAGES if self.family == "anthropic" else CHAT

    def batch(self, rows: int = 25, *, execution: str = "delegated", marks: dict[int, str] | None = None, **more: Any) -> Batch:
        """A running batch of so many requests. `marks` are texts of some of them, by number from 0."""
        body: dict[str, Any] = {"max_tokens": 9} if self.family == "anthropic" else {}
        lines = [
            request_line(
                f"row-{number}",
                endpoint=self.endpoint,
                messages=[{"role": "user", "content": (marks or {}).get(number, "hi")}],
                **body,
            )
            for number in range(rows)
        ]
        return started(self.project, b"".join(lines), endpoint=self.endpoint, execution=execution, **more)

    def work(self) -> None:
        """Run the delegator until nothing is due at once."""
        delegator.run()

    def until(self, condition: Callable[[], object], *, seconds: float = 40.0) -> None:
        """Run the delegator, with the provider's clock going on, until a condition holds."""
        deadline = monotonic() + PATIENCE
        while True:
            self.work()
            if condition():
                return
            assert monotonic() < deadline, [(job.state, job.note, job.failure) for job in ProviderJob.objects.all()]
            self.apis.advance(seconds)
            ProviderJob.objects.exclude(poll_at=None).update(poll_at=timezone.now() - timedelta(seconds=1))

    def settled(self, batch: Batch) -> Callable[[], bool]:
        """The condition that no request of a batch is open."""
        return lambda: not batch.slices.filter(pending__gt=0).exists()

    def play(self, batch: Batch) -> Batch:
        """Play a batch through to its end."""
        self.until(self.settled(batch))
        return self.end(batch)

    def end(self, batch: Batch) -> Batch:
        """End a batch that has nothing left to run."""
        found = ended(batch)
        assert found.status not in (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING)
        return found

    def take_back(self, batch: Batch) -> None:
        """Take every job of a batch back, as a person does."""
        for job in ProviderJob.objects.open().filter(batch=batch):
            recall(job, actor=TESTER, now=timezone.now())

    def jobs(self, batch: Batch) -> list[ProviderJob]:
        return list(ProviderJob.objects.filter(batch=batch).order_by("created_at", "first_line"))

    run_executor = staticmethod(run_executor)


@pytest.fixture
def stage(transactional_db: None, apis: BatchApis, family: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(delegator, "IDLE_SECONDS", 0.0)
    project.may_delegate = True
    project.save()
    provider = provider_at(apis.url(family), jobs_family=family)
    if family == "anthropic":
        provider.adapter = "anthropic"
        provider.save()
    provider.set_credential("sk-test-0123456789")
    provider.save()
    return Stage(apis, family, project, provider)

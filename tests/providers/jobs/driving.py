"""A driver at the stand-in, used from a test as if it were synchronous."""

import asyncio
import io
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from providers.base import Connection, Failure
from providers.jobs.base import Created, Driver, Input, Intent, OddLine, Row, RowResult, Snapshot
from providers.jobs.registry import connect
from tests.batch_apis import BatchApis

SECRET = "sk-very-secret-0123456789"
FAMILIES = ("openai", "azure", "groq", "novita", "anthropic")
ADAPTER_OPTIONS: dict[str, dict[str, Any]] = {"azure": {"azure": "v1"}}
T = TypeVar("T")


@dataclass(slots=True)
class Driving:
    """One family at the stand-in. Each call opens a driver of its own, as each turn of the portal does."""

    family: str
    apis: BatchApis
    options: dict[str, Any] = field(default_factory=dict)
    credential: str = SECRET

    @property
    def endpoint(self) -> str:
        return "/v1/messages" if self.family == "anthropic" else "/v1/chat/completions"

    def connection(self) -> Connection:
        url = self.apis.url(self.family)
        if self.family == "azure":
            url = url.removesuffix("/openai/v1")
        options = {**ADAPTER_OPTIONS.get(self.family, {}), **self.options}
        return Connection(self.family, url, self.credential, options, max_response_bytes=1024**2)

    def run(self, work: Callable[[Driver], Coroutine[Any, Any, T]]) -> T:
        """Run some work with a driver on an event loop of its own."""

        async def session() -> T:
            driver = connect(self.family, self.connection())
            try:
                return await work(driver)
            finally:
                await driver.close()

        return asyncio.run(session())

    def rows(self, count: int, *, failing: int = 0) -> list[Row]:
        """Rows of which the last `failing` are answered with 400."""
        texts = [f"row {number}" + (" [400]" if number >= count - failing else "") for number in range(count)]
        bodies = [{"model": "m-small", "max_tokens": 9, "messages": [{"role": "user", "content": each}]} for each in texts]
        return [Row(f"j1r{number:07d}", msgspec.json.encode(body)) for number, body in enumerate(bodies)]

    def submit(self, rows: Sequence[Row], *, marker: str = "intent-1") -> tuple[Intent, Any]:
        """Upload the rows and call create once. The intent, and what the driver says came of it."""

        async def work(driver: Driver) -> tuple[Intent, Any]:
            file = io.BytesIO()
            size = driver.write_input(rows, endpoint=self.endpoint, into=file)
            content = Input(file, len(rows), size)
            before = await driver.before_create()
            assert isinstance(before, str), before
            since = datetime.fromtimestamp(self.apis.world.now, UTC)
            reference = await driver.upload(content, name=marker)
            assert isinstance(reference, str), reference
            window = driver.profile.windows[0]
            intent = Intent(marker, self.endpoint, "m-small", window, len(rows), reference, since, before)
            return intent, await driver.create(intent, content)

        return self.run(work)

    def created(self, rows: Sequence[Row], *, marker: str = "intent-1") -> Snapshot:
        """The job that came of submitting these rows."""
        _, outcome = self.submit(rows, marker=marker)
        assert isinstance(outcome, Created), outcome
        return outcome.job

    def get(self, job: Snapshot) -> Snapshot:
        found = self.run(lambda driver: driver.get(job.remote_id))
        assert isinstance(found, Snapshot), found
        return found

    def try_get(self, job: Snapshot) -> Snapshot | Failure:
        return self.run(lambda driver: driver.get(job.remote_id))

    def results(self, job: Snapshot) -> list[RowResult | OddLine]:
        """Everything that the results of a job hold."""

        async def work(driver: Driver) -> list[RowResult | OddLine]:
            return [each async for some in driver.results(job, endpoint=self.endpoint) for each in some]

        return self.run(work)

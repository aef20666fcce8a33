"""Driver `anthropic`: message batches. The create call carries the rows itself, and there is no marker.

A job that may have come of an unanswered create call is looked for among the jobs that are newer than the newest one before
the call, and must have as many rows. Two such jobs cannot be told apart by the list; their results can, by the row ids.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, BinaryIO

import msgspec

from providers.base import NO_EXTRAS, Call, Connection, Failure
from providers.jobs.answers import count, is_settled, text, timestamp, unreadable
from providers.jobs.base import (
    Created,
    Ending,
    Found,
    Input,
    Intent,
    JobCounts,
    JobStatus,
    NotCreated,
    OddLine,
    Row,
    RowKind,
    RowResult,
    Snapshot,
    Uncertain,
)
from providers.jobs.client import JobClient
from providers.jobs.profiles import Profile
from providers.jobs.result_lines import Line
from providers.judgement import judge
from providers.online.anthropic import api_of
from providers.online.model_names import renamed
from providers.transport import Reply

PATH = "/v1/messages/batches"
MAX_PAGES = 50
_STATES = {
    "in_progress": JobStatus.RUNNING,
    "canceling": JobStatus.CANCELLING,
    "cancelling": JobStatus.CANCELLING,
    "ended": JobStatus.ENDED,
}
_NEVER_RAN = {"canceled": RowKind.CANCELLED, "cancelled": RowKind.CANCELLED, "expired": RowKind.EXPIRED}
# The statuses that the API answers single calls with, by the type of the error.
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicJobs:
    """Message batches at one provider."""

    def __init__(self, connection: Connection, profile: Profile) -> None:
        self.profile = profile
        options, addresses, headers, self._headers_for = api_of(connection)
        self._client = JobClient(connection, options, addresses=addresses, headers=headers)
        self._headers = self._headers_for(NO_EXTRAS)

    def write_input(self, rows: Sequence[Row], *, endpoint: str, into: BinaryIO) -> int:  # noqa: ARG002
        """Write rows as lines of `custom_id` and `params`; `create` makes one document of them."""
        size = 0
        for row in rows:
            body = renamed(row.body, self._client.models) if self._client.models else row.body
            size += into.write(msgspec.json.encode({"custom_id": row.wire_id, "params": msgspec.Raw(body)}) + b"\n")
        return size

    async def upload(self, content: Input, *, name: str) -> str | Failure:  # noqa: ARG002
        """Nothing: the create call carries the rows."""
        return ""

    async def before_create(self) -> str | Failure:
        """The id of the newest job; empty if there is none."""
        found = await self._client.call("GET", self._client.url(PATH, limit="1"), headers=self._headers)
        if isinstance(found, Failure):
            return found
        return text(found, "first_id")

    async def create(self, intent: Intent, content: Input | None) -> Created | NotCreated | Uncertain:
        """Create the job, with one call that is not repeated."""
        assert content is not None
        content.content.seek(0)
        lines = content.content.read().rstrip(b"\n").replace(b"\n", b",")
        body = b'{"requests":[' + lines + b"]}"
        headers = self._headers_for(intent.extras)
        found = await self._client.call("POST", self._client.url(PATH), json=body, headers=headers)
        if isinstance(found, Failure):
            return NotCreated(found, later=found.kind.retryable) if is_settled(found) else Uncertain(found)
        job = self._snapshot(found)
        return Created(job) if job.remote_id else Uncertain(unreadable("The job was created, and answered without an id."))

    async def find(self, intent: Intent) -> Found | Failure:
        """The jobs that are newer than the intent, and have as many rows. Clocks are not asked, since they differ.

        Counts are a hint: a newer job with other counts is among the `others`.
        """
        found = await self._listed("before_id", "first_id", start=intent.before) if intent.before else await self._all()
        if isinstance(found, Failure):
            return found
        mine = [job for job in found.jobs if job.counts.total == intent.rows]
        return Found(mine, found.is_complete, [job for job in found.jobs if job.counts.total != intent.rows])

    async def get(self, remote_id: str) -> Snapshot | Failure:
        """The job as it is now."""
        return self._shown(await self._client.call("GET", self._client.url(f"{PATH}/{remote_id}"), headers=self._headers))

    async def recent(self, *, since: datetime) -> Found | Failure:
        """All jobs since then, from the pages of the list."""
        return await self._listed("after_id", "last_id", since=since)

    async def _all(self) -> Found | Failure:
        return await self._listed("after_id", "last_id")

    async def _listed(self, parameter: str, end: str, *, start: str = "", since: datetime | None = None) -> Found | Failure:
        """Pages in one direction, until the list ends or a job is older than `since`."""
        jobs: list[Snapshot] = []
        for _ in range(MAX_PAGES):
            query = {"limit": str(self.profile.lists)} | ({parameter: start} if start else {})
            found = await self._client.call("GET", self._client.url(PATH, **query), headers=self._headers)
            if isinstance(found, Failure):
                return found
            rows = found.get("data") if isinstance(found, dict) else None
            if not isinstance(rows, list):
                return unreadable("The list of jobs has no list in it.")
            page = [self._snapshot(row) for row in rows if isinstance(row, dict)]
            jobs += page
            is_old = since is not None and page and page[-1].created_at is not None and page[-1].created_at < since
            if is_old or not page or not found.get("has_more") or text(found, end) in ("", start):
                return Found(jobs, is_complete=True)
            start = text(found, end)
        return Found(jobs, is_complete=False)

    async def cancel(self, remote_id: str) -> Snapshot | Failure:
        """Ask to cancel. A job that has ended is shown as it is."""
        found = await self._client.call("POST", self._client.url(f"{PATH}/{remote_id}/cancel"), headers=self._headers)
        if isinstance(found, Failure) and found.http_status in (400, 409):
            return await self.get(remote_id)
        return self._shown(found)

    async def results(self, job: Snapshot, *, endpoint: str) -> AsyncGenerator[list[RowResult | OddLine]]:
        """The rows of the results, from the provider's own host whatever `results_url` names."""
        url = self._client.url(f"{PATH}/{job.remote_id}/results")
        async with aclosing(self._client.lines(url, headers=self._headers)) as lines:
            async for some in lines:
                yield [self._result(line, job.remote_id, endpoint) for line in some]

    async def remove(self, job: Snapshot) -> Sequence[str]:
        """Delete the job, and its rows and results with it. What is still there, in words."""
        found = await self._client.call("DELETE", self._client.url(f"{PATH}/{job.remote_id}"), headers=self._headers)
        if isinstance(found, Failure) and found.http_status != 404:
            return [f"message batch {job.remote_id}: {found.message}"]
        return []

    async def sweep(self, names: Sequence[str], *, since: datetime) -> Sequence[str]:  # noqa: ARG002
        """Nothing: no rows are uploaded without their job."""
        return []

    async def close(self) -> None:
        """End every connection."""
        await self._client.close()

    # --- reading

    def _shown(self, found: Any) -> Snapshot | Failure:
        if isinstance(found, Failure):
            return found
        job = self._snapshot(found)
        return job if job.remote_id else unreadable("The answer is no job.")

    def _snapshot(self, found: Any) -> Snapshot:
        word = text(found, "processing_status")
        status = _STATES.get(word.lower())
        counts = found.get("request_counts") if isinstance(found, dict) else None
        known = [count(counts, name) for name in ("processing", "succeeded", "errored", "canceled", "expired")]
        total = None if None in known else sum(number or 0 for number in known)
        return Snapshot(
            remote_id=text(found, "id"),
            status=status or JobStatus.RUNNING,
            word=word,
            ending=_ending(counts) if status is JobStatus.ENDED else None,
            is_known=status is not None,
            counts=JobCounts(total, known[1], known[2]),
            outputs=("results",) if text(found, "results_url") else (),
            created_at=timestamp(found, "created_at"),
            ended_at=timestamp(found, "ended_at"),
            expires_at=timestamp(found, "expires_at"),
        )

    def _result(self, line: Line, output: str, endpoint: str) -> RowResult | OddLine:
        document, problem = line.read()
        wire_id = text(document, "custom_id")
        result = document.get("result") if wire_id else None
        word = text(result, "type")
        if problem or not wire_id or not isinstance(result, dict) or not word:
            return OddLine(output, line.number, problem or "It names no row and no result.")
        if kind := _NEVER_RAN.get(word):
            return RowResult(wire_id, kind)
        if word == "succeeded":
            status, body = 200, result.get("message")
        else:
            body = result.get("error")
            inner = body.get("error") if isinstance(body, dict) and isinstance(body.get("error"), dict) else body
            status = _STATUSES.get(text(inner, "type"), 500)
        request_id = text(body, "request_id") or text(body, "id")
        reply = Reply(status, {"request-id": request_id} if request_id else {}, msgspec.json.encode(body))
        outcome = judge(reply, Call(endpoint, b"", wire_id, 0.0), secrets=self._client.secrets)
        return RowResult(wire_id, RowKind.OUTCOME, outcome)


def _ending(counts: Any) -> Ending:
    """How a job ended follows from its counts alone. A cancel that came too late cut nothing, and is no cancellation."""
    if count(counts, "canceled"):
        return Ending.CANCELLED
    return Ending.EXPIRED if count(counts, "expired") else Ending.COMPLETED

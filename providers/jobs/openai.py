"""Driver `openai`: files and batches as OpenAI has them, and as Azure, Groq, Novita and another Batchyard repeat them.

Words for states are read in any case. A file id may be null, absent or empty. Counts are read where they are. The marker of
an intent is kept in the job's metadata, and shows in the list of jobs.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import msgspec

from providers.base import Connection, Failure
from providers.failures import Kind
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
    RowResult,
    Snapshot,
    Uncertain,
)
from providers.jobs.client import JobClient
from providers.jobs.openai_results import read_result
from providers.jobs.profiles import Profile
from providers.judgement.errors import said_by
from providers.online.model_names import renamed
from providers.online.openai import api_of

MARKER = "batchyard"
SLACK = timedelta(hours=1)  # the provider's clock may differ so much from ours
MAX_PAGES = 200
_STATES = {
    "validating": JobStatus.VALIDATING,
    "in_progress": JobStatus.RUNNING,
    "progress": JobStatus.RUNNING,
    "running": JobStatus.RUNNING,
    "queued": JobStatus.QUEUED,
    "finalizing": JobStatus.FINALIZING,
    "cancelling": JobStatus.CANCELLING,
    "canceling": JobStatus.CANCELLING,
}
_ENDINGS = {
    "completed": Ending.COMPLETED,
    "failed": Ending.FAILED,
    "expired": Ending.EXPIRED,
    "cancelled": Ending.CANCELLED,
    "canceled": Ending.CANCELLED,
}
_UPLOAD_LIVES = timedelta(days=14)


class OpenAIJobs:
    """Jobs at one provider with OpenAI's files and batches."""

    def __init__(self, connection: Connection, profile: Profile) -> None:
        self.profile = profile
        options, addresses, headers = api_of(connection)
        self._client = JobClient(connection, options, addresses=addresses, headers=headers)
        # Azure's dated versions name endpoints without a version, also within the lines.
        self._unversioned = "api-version" in options.query

    def write_input(self, rows: Sequence[Row], *, endpoint: str, into: BinaryIO) -> int:
        """Write rows as lines of `custom_id`, `method`, `url` and `body`. The number of bytes that were written."""
        url, models = self._endpoint(endpoint), self._client.models
        lines = [
            msgspec.json.encode(
                {
                    "custom_id": row.wire_id,
                    "method": "POST",
                    "url": url,
                    "body": msgspec.Raw(renamed(row.body, models) if models else row.body),
                }
            )
            for row in rows
        ]
        return into.write(b"".join(line + b"\n" for line in lines))

    async def upload(self, content: Input, *, name: str) -> str | Failure:
        """Upload the rows as a file. Its id."""
        fields = {"purpose": "batch"}
        if self.profile.expires_uploads:
            seconds = int(_UPLOAD_LIVES.total_seconds())
            fields |= {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(seconds)}
        found = await self._client.upload(self._client.url("/v1/files"), content, fields=fields, name=f"{name}.jsonl")
        if isinstance(found, Failure):
            return found
        return text(found, "id") or unreadable("The upload was answered without an id.")

    async def before_create(self) -> str | Failure:
        """Nothing: the marker is enough to find a job again."""
        return ""

    async def create(self, intent: Intent, content: Input | None) -> Created | NotCreated | Uncertain:  # noqa: ARG002
        """Create the job, with one call that is not repeated."""
        asked = {
            "input_file_id": intent.input_ref,
            "endpoint": self._endpoint(intent.endpoint),
            "completion_window": intent.window,
            "metadata": {MARKER: intent.marker},
        }
        found = await self._client.call("POST", self._client.url("/v1/batches"), json=asked)
        if isinstance(found, Failure):
            if not is_settled(found):
                return Uncertain(found)
            return NotCreated(found, later=found.kind.retryable or _awaits_file(found))
        job = self._snapshot(found)
        return Created(job) if job.remote_id else Uncertain(unreadable("The job was created, and answered without an id."))

    async def find(self, intent: Intent) -> Found | Failure:
        """The jobs with the intent's marker; or with its input file, where the list shows no marker.

        The input of a job that is created anew is the same, so that a file proves less than a marker.
        """
        found = await self.recent(since=intent.since - SLACK)
        if isinstance(found, Failure):
            return found
        mine = [job for job in found.jobs if job.marker == intent.marker or _has_file(job, intent)]
        return Found(mine, found.is_complete)

    async def get(self, remote_id: str) -> Snapshot | Failure:
        """The job as it is now."""
        return self._shown(await self._client.call("GET", self._client.url(f"/v1/batches/{remote_id}")))

    async def recent(self, *, since: datetime) -> Found | Failure:
        """All jobs since then, from the pages of the list. A provider that shows no page after the first is not complete."""
        jobs: list[Snapshot] = []
        after = ""
        for _ in range(MAX_PAGES):
            query = {"limit": str(self.profile.lists)} if self.profile.lists else {}
            if after:
                query["after"] = after
            found = await self._client.call("GET", self._client.url("/v1/batches", **query))
            if isinstance(found, Failure):
                return found
            rows = found.get("data") if isinstance(found, dict) else found
            if not isinstance(rows, list):
                return unreadable("The list of jobs has no list in it.")
            page = [self._snapshot(row) for row in rows if isinstance(row, dict)]
            jobs += page
            if page and (oldest := page[-1].created_at) is not None and oldest < since:
                return Found(jobs, is_complete=True)
            if not page or not (isinstance(found, dict) and found.get("has_more")):
                # Without pages, only a list that is shorter than any page is known to be whole.
                return Found(jobs, is_complete=isinstance(found, dict) and found.get("has_more") is False)
            if after == page[-1].remote_id:
                return Found(jobs, is_complete=False)
            after = page[-1].remote_id
        return Found(jobs, is_complete=False)

    async def cancel(self, remote_id: str) -> Snapshot | Failure:
        """Ask to cancel. A job that has ended is shown as it is."""
        found = await self._client.call("POST", self._client.url(f"/v1/batches/{remote_id}/cancel"))
        if isinstance(found, Failure) and found.http_status in (400, 409):
            return await self.get(remote_id)
        return self._shown(found)

    async def results(self, job: Snapshot, *, endpoint: str) -> AsyncGenerator[list[RowResult | OddLine]]:
        """The rows of the output file and of the error file."""
        for output in job.outputs:
            async with aclosing(self._client.lines(self._client.url(f"/v1/files/{output}/content"))) as lines:
                async for some in lines:
                    yield [read_result(line, output, endpoint, secrets=self._client.secrets) for line in some]

    async def remove(self, job: Snapshot) -> Sequence[str]:
        """Delete the input file and the result files. What is still there, in words."""
        return await self._deleted(filter(None, (job.input_ref, *job.outputs)))

    async def sweep(self, names: Sequence[str], *, since: datetime) -> Sequence[str]:
        """Delete the input files with these names, which are the portal's own. What is still there, in words."""
        wanted, after = {f"{name}.jsonl" for name in names}, ""
        mine: list[str] = []
        for _ in range(MAX_PAGES):
            found = await self._client.call("GET", self._client.url("/v1/files", **({"after": after} if after else {})))
            if isinstance(found, Failure):
                return [f"the list of files: {found.message}"]
            rows = found.get("data") if isinstance(found, dict) else None
            files = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
            mine += [text(row, "id") for row in files if text(row, "filename") in wanted]
            oldest = timestamp(files[-1], "created_at") if files else None
            is_old = oldest is not None and oldest < since - SLACK
            if is_old or not files or not found.get("has_more") or text(files[-1], "id") in ("", after):
                break
            after = text(files[-1], "id")
        return await self._deleted(filter(None, mine))

    async def _deleted(self, files: Iterable[str]) -> list[str]:
        """Delete files. What is still there, in words."""
        left = []
        for file in files:
            found = await self._client.call("DELETE", self._client.url(f"/v1/files/{file}"))
            if isinstance(found, Failure) and found.http_status != 404:
                left.append(f"file {file}: {found.message}")
        return left

    async def close(self) -> None:
        """End every connection."""
        await self._client.close()

    # --- reading

    def _endpoint(self, endpoint: str) -> str:
        return endpoint.removeprefix("/v1") if self._unversioned else endpoint

    def _shown(self, found: Any) -> Snapshot | Failure:
        if isinstance(found, Failure):
            return found
        job = self._snapshot(found)
        return job if job.remote_id else unreadable("The answer is no job.")

    def _snapshot(self, found: Any) -> Snapshot:
        word = text(found, "status")
        known = word.lower()
        ending = _ENDINGS.get(known)
        status = JobStatus.ENDED if ending else _STATES.get(known, JobStatus.RUNNING)
        metadata = found.get("metadata") if isinstance(found, Mapping) else None
        ends = filter(None, (timestamp(found, f"{name}_at") for name in ("completed", "failed", "expired", "cancelled")))
        return Snapshot(
            remote_id=text(found, "id"),
            status=status,
            word=word,
            ending=ending,
            is_known=ending is not None or known in _STATES,
            marker=text(metadata, MARKER),
            input_ref=text(found, "input_file_id"),
            counts=_counts(found),
            outputs=tuple(filter(None, (text(found, "output_file_id"), text(found, "error_file_id")))),
            created_at=timestamp(found, "created_at"),
            ended_at=next(ends, None),
            expires_at=timestamp(found, "expires_at"),
            problem=self._problem(found) if ending is Ending.FAILED else None,
        )

    def _problem(self, found: Mapping[str, Any]) -> Failure:
        """Why a job failed as a whole: the first of its errors, which may be a list, an object or a text."""
        errors = found.get("errors")
        listed = errors.get("data") if isinstance(errors, Mapping) else errors
        first = listed[0] if isinstance(listed, list) and listed else listed
        said = said_by(first) if first else said_by("The provider does not say why the job failed.")
        kind = Kind.RATE_LIMITED if said.code in _QUEUE_FULL else Kind.INVALID_REQUEST
        message = self._client.secrets.hidden_in(said.message or said.code)
        return Failure(kind, message[:2000], code=said.code[:100] or kind.value, param=said.param)


# The codes of a job that failed because the provider's queue was full: the job is tried again later, and its rows are good.
_QUEUE_FULL = frozenset({"token_limit_exceeded", "quotaExceeded", "too_many_tasks"})


def _has_file(job: Snapshot, intent: Intent) -> bool:
    return not job.marker and bool(intent.input_ref) and job.input_ref == intent.input_ref


def _awaits_file(failure: Failure) -> bool:
    """Whether a create call failed because the uploaded file cannot be seen yet."""
    return failure.http_status in (400, 404) and "find file" in failure.message.lower()


def _counts(found: Any) -> JobCounts:
    counts = found.get("request_counts") if isinstance(found, Mapping) else None
    counts = counts if isinstance(counts, Mapping) else found
    return JobCounts(count(counts, "total"), count(counts, "completed"), count(counts, "failed"))

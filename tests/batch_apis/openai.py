"""OpenAI's files and batches, with Azure's paths and words, and those of Groq and Novita.

The base URL names the family: `/v1` is OpenAI, `/azure/openai/v1` and `/azure/openai` (with `api-version`) are Azure,
`/groq/openai/v1` is Groq and `/novita/openai/v1` is Novita.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from tests.batch_apis.calls import are_named, created, owner_of, page, seen, sent
from tests.batch_apis.plan import Counts
from tests.batch_apis.results import answer_to, rendered
from tests.batch_apis.world import Job, Row, StoredFile, World

ROOTS = {
    "/v1": "openai",
    "/azure/openai/v1": "azure",
    "/azure/openai": "azure",
    "/groq/openai/v1": "groq",
    "/novita/openai/v1": "novita",
}
WINDOW = 24 * 3600
_STAMPS = ("in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at")
_NOVITA = {"in_progress": "PROGRESS", "finalizing": "PROGRESS"}


def problem(status: int, message: str, code: str | None = None, *, param: str | None = None, headers: Any = None) -> web.Response:
    """An error in OpenAI's envelope."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


class OpenAIFace:
    """One family of providers with OpenAI's contract. `storage_url` is the second port, where redirects lead."""

    def __init__(self, world: World, root: str, *, storage_url: Callable[[], str]) -> None:
        self.world, self.root, self.family = world, root, ROOTS[root]
        self._storage_url = storage_url

    def routes(self) -> list[web.RouteDef]:
        calls = (
            ("POST", "/files", self.upload),
            ("GET", "/files", self.list_files),
            ("GET", "/files/{id}", self.file),
            ("DELETE", "/files/{id}", self.delete_file),
            ("GET", "/files/{id}/content", self.content),
            ("POST", "/batches", self.create),
            ("GET", "/batches", self.list),
            ("GET", "/batches/{id}", self.get),
            ("POST", "/batches/{id}/cancel", self.cancel),
        )
        return [web.route(method, f"{self.root}{path}", self._known(handler)) for method, path, handler in calls]

    def _known(self, handler: Any) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.world.calls.append((request.method, request.path))
            if not owner_of(request):
                return problem(401, "No API key was given.", "invalid_api_key")
            found: web.StreamResponse = await handler(request)
            return found

        return answer

    # --- files

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        upload, purpose = form.get("file"), form.get("purpose")
        if not isinstance(upload, web.FileField) or not isinstance(purpose, str):
            return problem(400, "A file and its purpose are needed.", param="file")
        if self.family == "openai" and not upload.filename.endswith(".jsonl"):
            return problem(400, "Invalid file format for Batch API. Must be .jsonl", param="file")
        content = upload.file.read()
        stored = self.world.add_file(owner_of(request), name=upload.filename, purpose=purpose, content=content)
        return web.json_response(self._file(stored))

    async def list_files(self, request: web.Request) -> web.Response:
        mine = [file for file in self.world.files.values() if file.owner == owner_of(request)]
        return web.json_response({"object": "list", "data": [self._file(file) for file in mine], "has_more": False})

    async def file(self, request: web.Request) -> web.Response:
        stored = self._stored(request)
        return web.json_response(self._file(stored)) if stored else _no("file", request)

    async def delete_file(self, request: web.Request) -> web.Response:
        stored = self._stored(request)
        if stored is None:
            return _no("file", request)
        del self.world.files[stored.id]
        return web.json_response({"id": stored.id, "object": "file", "deleted": True})

    async def content(self, request: web.Request) -> web.StreamResponse:
        stored = self._stored(request)
        if stored is None:
            return _no("file", request)
        maker = next((job for job in self.world.jobs.values() if stored.id in job.files.values()), None)
        if maker is not None and maker.plan.redirected:
            raise web.HTTPFound(f"{self._storage_url()}/{stored.id}")
        return await sent(request, maker, stored.content, kind="application/octet-stream")

    def _stored(self, request: web.Request) -> StoredFile | None:
        stored = self.world.files.get(request.match_info["id"])
        return stored if stored is not None and stored.owner == owner_of(request) else None

    def _file(self, stored: StoredFile) -> dict[str, Any]:
        head = {"id": stored.id, "object": "file", "bytes": len(stored.content), "created_at": int(stored.created_at)}
        return {**head, "filename": stored.name, "purpose": stored.purpose, "status": "processed"}

    # --- batches

    async def create(self, request: web.Request) -> Any:
        asked = msgspec.json.decode(await request.read())
        plan = self.world.next_plan()
        stored = self.world.files.get(asked.get("input_file_id", ""))
        if self.world.lacks_file() or stored is None or stored.owner != owner_of(request):
            return problem(400, "Cannot find file with the given id.", param="file_id")
        if self.family != "groq" and asked.get("completion_window") not in ("24h", "48h"):
            return problem(400, "Invalid value for completion_window.", param="completion_window")
        lines = [msgspec.json.decode(line) for line in stored.content.splitlines() if line.strip()]
        endpoint = asked["endpoint"] if asked["endpoint"].startswith("/v1") else f"/v1{asked['endpoint']}"
        rows = [Row(line["custom_id"], endpoint, msgspec.json.encode(line["body"])) for line in lines]

        def make() -> Job:
            return self.world.add_job(self.family, owner_of(request), rows, plan, asked, prefix="batch_")

        return await created(request, plan, make=make, shown=self._shown, problem=problem)

    async def list(self, request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", "20"))
        if not 1 <= limit <= 100:
            return problem(400, "Invalid value for limit.", param="limit")
        jobs, more = page(self.world.jobs_of(self.family, owner_of(request)), after=request.query.get("after"), limit=limit)
        for job in jobs:
            seen(self.world, job)
        data = [self._shown(job) for job in jobs]
        ends = {"first_id": jobs[0].id, "last_id": jobs[-1].id} if jobs else {"first_id": None, "last_id": None}
        return web.json_response({"object": "list", "data": data, **ends, "has_more": more})

    async def get(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job is None or not seen(self.world, job):
            return _no("batch", request)
        return web.json_response(self._shown(job))

    async def cancel(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job is None:
            return _no("batch", request)
        if job.has_ended(self.world.now) or job.plan.cancel_refused:
            return problem(409, f"Cannot cancel a batch with status '{job.phase(self.world.now)}'.")
        job.cancelled_at = job.cancelled_at or self.world.now
        return web.json_response(self._shown(job))

    def _job(self, request: web.Request) -> Job | None:
        job = self.world.jobs.get(request.match_info["id"])
        return job if job is not None and (job.family, job.owner) == (self.family, owner_of(request)) else None

    # --- a batch as this family shows it

    def _shown(self, job: Job) -> dict[str, Any]:
        now = self.world.now
        phase = job.phase(now)
        if are_named(job, now):
            self._make_files(job)
        unset = "" if job.plan.empty_ids or self.family == "novita" else None
        asked = job.about
        stamps = {name: self._time(at) for name, at in self._stamps(job, phase).items()}
        shown = {
            "id": job.id,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": asked["completion_window"],
            "status": self._word(job, phase),
            "errors": _errors(job) if phase == "failed" else None,
            "output_file_id": job.files.get("output") or unset,
            "error_file_id": job.files.get("error") or unset,
            "created_at": self._time(job.created_at),
            "expires_at": self._time(job.created_at + WINDOW),
            "metadata": asked.get("metadata"),
            **stamps,
            **_counts(job, phase, now),
        }
        if self.family == "novita":
            errors = "" if shown["errors"] is None else job.plan.error_code
            shown |= {"errors": errors, "version": 1, **shown.get("request_counts", {})}
        if phase == "completed":
            answered = job.is_billed(now)
            shown["usage"] = {"input_tokens": 9 * answered, "output_tokens": 3 * answered, "total_tokens": 12 * answered}
        return shown

    def _word(self, job: Job, phase: str) -> str:
        if job.plan.word and not job.has_ended(self.world.now):
            return job.plan.word
        return _NOVITA.get(phase, phase.upper()) if self.family == "novita" else phase

    def _time(self, at: float | None) -> Any:
        if at is None:
            return None
        return datetime.fromtimestamp(at, UTC).isoformat() if self.family == "novita" else int(at)

    def _stamps(self, job: Job, phase: str) -> dict[str, float | None]:
        stamps: dict[str, float | None] = dict.fromkeys(_STAMPS)
        if phase not in ("validating", "failed"):
            stamps["in_progress_at"] = job.created_at + 1
        if job.cancelled_at is not None:
            stamps["cancelling_at"] = job.cancelled_at
        if job.has_ended(self.world.now):
            stamps[f"{phase}_at"] = job.ends_at()
        return stamps

    def _make_files(self, job: Job) -> None:
        with self.world.lock:
            if job.files or not job.looks_after_end:
                return
            good, bad = _lines(job, self.world.now)
            for name, lines in (("output", good), ("error", bad)):
                if lines and not job.plan.results_gone:
                    content = rendered(lines, job.plan.oddities, foreign=_line(Row("foreign", "/v1/chat/completions", b"{}"), 0))
                    stored = self.world.add_file(job.owner, name=f"{name}.jsonl", purpose="batch_output", content=content)
                    job.files[name] = stored.id
                elif lines:
                    job.files[name] = self.world.name("file-")  # it is named, and gone


def _errors(job: Job) -> dict[str, Any]:
    error = {"code": job.plan.error_code, "message": f"{job.plan.error_code}: the job failed.", "param": None, "line": None}
    return {"object": "list", "data": [error]}


def _counts(job: Job, phase: str, now: float) -> dict[str, Any]:
    done = job.rows[: job.processed(now)]
    failed = sum(row.status >= 300 for row in done)
    counts: dict[str, Any] = {"total": len(job.rows), "completed": len(done) - failed, "failed": failed}
    match job.plan.counts:
        case Counts.ABSENT:
            return {}
        case Counts.ZERO:
            counts = dict.fromkeys(counts, 0)
        case Counts.TEXT:
            counts = {name: str(number) for name, number in counts.items()}
        case Counts.HIGH:
            counts |= {"total": 2 * len(job.rows), "completed": 2 * len(job.rows)}
        case Counts.BACKWARDS:
            counts["completed"] = max(len(job.rows) - job.looks, 0)
    return {"request_counts": dict.fromkeys(counts, 0) if phase == "validating" else counts}


def _lines(job: Job, now: float) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The lines of the output file and of the error file."""
    done = job.processed(now)
    good = [_line(row, number) for number, row in enumerate(job.rows[:done]) if row.status < 300]
    bad = [_line(row, number) for number, row in enumerate(job.rows[:done]) if row.status >= 300]
    code = {"expired": "batch_expired", "cancelled": "batch_cancelled"}.get(job.ending())
    if code is not None:
        error = {"code": code, "message": "This request was not executed."}
        bad += [{"id": "", "custom_id": row.custom_id, "response": None, "error": error} for row in job.rows[done:]]
    if good and "status_zero" in job.plan.oddities:
        good[0] = {**good[0], "response": {"status_code": 0, "request_id": "", "body": None}}
    return good, bad


def _line(row: Row, number: int) -> dict[str, object]:
    body = msgspec.Raw(answer_to(row, number=number))
    response = {"status_code": row.status, "request_id": f"req_{number}", "body": body}
    return {"id": f"batch_req_{number}", "custom_id": row.custom_id, "response": response, "error": None}


def _no(what: str, request: web.Request) -> web.Response:
    return problem(404, f"No such {what}: {request.match_info['id']}", param="id")

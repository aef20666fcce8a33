"""Anthropic's message batches, at the base URL without `/v1`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from tests.batch_apis.calls import are_named, created, owner_of, page, seen, sent
from tests.batch_apis.plan import Counts, Ending
from tests.batch_apis.results import answer_to, rendered
from tests.batch_apis.world import Job, Row, World

ROOT = "/v1/messages/batches"
WINDOW = 24 * 3600
_WORDS = {"validating": "in_progress", "in_progress": "in_progress", "finalizing": "in_progress", "cancelling": "canceling"}
_NAMES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 409: "conflict_error"}


def problem(status: int, message: str, code: str | None = None, *, headers: Any = None) -> web.Response:
    """An error in Anthropic's envelope."""
    name = _NAMES.get(status) or {429: "rate_limit_error"}.get(status, "api_error")
    body = {"type": "error", "error": {"type": name, "message": message}, "request_id": None}
    return web.json_response(body, status=status, headers=headers)


class AnthropicFace:
    """Anthropic's contract. `storage_url` is the second port, where redirects and foreign results lead."""

    family = "anthropic"

    def __init__(self, world: World, *, storage_url: Callable[[], str]) -> None:
        self.world = world
        self._storage_url = storage_url

    def routes(self) -> list[web.RouteDef]:
        calls = (
            ("POST", "", self.create),
            ("GET", "", self.list),
            ("GET", "/{id}", self.get),
            ("POST", "/{id}/cancel", self.cancel),
            ("DELETE", "/{id}", self.delete),
            ("GET", "/{id}/results", self.results),
        )
        return [web.route(method, f"{ROOT}{path}", self._known(handler)) for method, path, handler in calls]

    def _known(self, handler: Any) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.world.calls.append((request.method, request.path))
            if not owner_of(request):
                return problem(401, "No API key was given.")
            if "anthropic-version" not in request.headers:
                return problem(400, "anthropic-version: header is required")
            found: web.StreamResponse = await handler(request)
            return found

        return answer

    async def create(self, request: web.Request) -> Any:
        asked = msgspec.json.decode(await request.read())
        plan = self.world.next_plan()
        items = asked.get("requests") or []
        if not 1 <= len(items) <= 100_000:
            return problem(400, "requests: at least 1 and at most 100,000 are allowed")
        ids = [item["custom_id"] for item in items]
        if len(set(ids)) != len(ids):
            return problem(400, "requests: custom_ids must be unique")
        for index, name in enumerate(ids):
            if not (1 <= len(name) <= 64 and name.replace("_", "a").replace("-", "a").isalnum()):
                return problem(400, f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        rows = [Row(item["custom_id"], "/v1/messages", msgspec.json.encode(item["params"])) for item in items]

        def make() -> Job:
            return self.world.add_job(self.family, owner_of(request), rows, plan, {}, prefix="msgbatch_")

        def shown(job: Job) -> dict[str, Any]:
            return self._shown(job, request)

        return await created(request, plan, make=make, shown=shown, problem=problem)

    async def list(self, request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", "20"))
        jobs = self.world.jobs_of(self.family, owner_of(request))
        if before := request.query.get("before_id"):
            newer = [job.id for job in jobs].index(before)
            chosen, more = jobs[max(newer - limit, 0) : newer], newer > limit
        else:
            found, more = page(jobs, after=request.query.get("after_id"), limit=limit)
            chosen = [*found]
        for job in chosen:
            seen(self.world, job)
        data = [self._shown(job, request) for job in chosen]
        ends = {"first_id": chosen[0].id, "last_id": chosen[-1].id} if chosen else {"first_id": None, "last_id": None}
        return web.json_response({"data": data, "has_more": more, **ends})

    async def get(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job is None or not seen(self.world, job):
            return _no(request)
        return web.json_response(self._shown(job, request))

    async def cancel(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job is None:
            return _no(request)
        if job.plan.cancel_refused or job.has_ended(self.world.now):
            return problem(400, "This batch has ended and cannot be canceled.")
        job.cancelled_at = job.cancelled_at or self.world.now
        return web.json_response(self._shown(job, request))

    async def delete(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job is None:
            return _no(request)
        if not job.has_ended(self.world.now):
            return problem(400, "Only ended batches can be deleted.")
        job.is_deleted = True
        return web.json_response({"id": job.id, "type": "message_batch_deleted"})

    async def results(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        if job is None or not seen(self.world, job):
            return _no(request)
        if not job.has_ended(self.world.now):
            return problem(400, "The results are not available yet.")
        if job.plan.results_gone:
            return problem(404, "The results are no longer available.")
        if job.plan.redirected:
            raise web.HTTPFound(f"{self._storage_url()}/{job.id}")
        return await sent(request, job, results_of(job, self.world.now), kind="application/x-jsonl")

    def _job(self, request: web.Request) -> Job | None:
        job = self.world.jobs.get(request.match_info["id"])
        if job is None or job.is_deleted or (job.family, job.owner) != (self.family, owner_of(request)):
            return None
        return job

    def _shown(self, job: Job, request: web.Request) -> dict[str, Any]:
        now = self.world.now
        is_over, is_named = job.has_ended(now), are_named(job, now)
        word = "ended" if is_over else _WORDS[job.phase(now)]
        host = self._storage_url() if job.plan.redirected else f"{request.scheme}://{request.host}"
        return {
            "id": job.id,
            "type": "message_batch",
            "processing_status": job.plan.word if job.plan.word and not is_over else word,
            **_counts(job, now),
            "created_at": _time(job.created_at),
            "expires_at": _time(job.created_at + WINDOW),
            "ended_at": _time(job.ends_at()) if is_over else None,
            "cancel_initiated_at": _time(job.cancelled_at),
            "archived_at": None,
            "results_url": f"{host}{ROOT}/{job.id}/results" if is_named else None,
        }


def results_of(job: Job, now: float) -> bytes:
    """The result file of an ended job: one line for each request, whatever became of it."""
    done = job.processed(now)
    lines = [_line(row, number) for number, row in enumerate(job.rows[:done])]
    rest = {"expired": "expired", "cancelled": "canceled"}.get(job.ending())
    if job.plan.ending is Ending.FAILED:
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low."}}
        lines += [{"custom_id": row.custom_id, "result": {"type": "errored", "error": error}} for row in job.rows]
    elif rest is not None:
        lines += [{"custom_id": row.custom_id, "result": {"type": rest}} for row in job.rows[done:]]
    return rendered(lines, job.plan.oddities, foreign=_line(Row("foreign", "/v1/messages", b"{}"), 0))


def _line(row: Row, number: int) -> dict[str, object]:
    body = answer_to(row, number=number)
    if row.status < 300:
        return {"custom_id": row.custom_id, "result": {"type": "succeeded", "message": msgspec.Raw(body)}}
    name = _NAMES.get(row.status, "api_error")
    error = {"type": "error", "error": {"type": name, "message": f"refused with {row.status}"}, "request_id": None}
    return {"custom_id": row.custom_id, "result": {"type": "errored", "error": error}}


def _counts(job: Job, now: float) -> dict[str, Any]:
    total = len(job.rows)
    counts: dict[str, Any] = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    if not job.has_ended(now):
        counts["processing"] = total
    elif job.plan.ending is Ending.FAILED:
        counts["errored"] = total
    else:
        done = job.rows[: job.processed(now)]
        failed = sum(row.status >= 300 for row in done)
        counts |= {"succeeded": len(done) - failed, "errored": failed}
        rest = {"expired": "expired", "cancelled": "canceled"}.get(job.ending())
        if rest is not None:
            counts[rest] = total - len(done)
    match job.plan.counts:
        case Counts.ABSENT:
            return {}
        case Counts.ZERO:
            counts = dict.fromkeys(counts, 0)
        case Counts.TEXT:
            counts = {name: str(number) for name, number in counts.items()}
        case Counts.HIGH:
            counts["succeeded"] = 2 * total
        case Counts.BACKWARDS:
            counts["processing"] = max(total - job.looks, 0)
    return {"request_counts": counts}


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _no(request: web.Request) -> web.Response:
    return problem(404, f"No message batch {request.match_info['id']} was found.")

"""What the faces share: who calls, faults of the create call, and pages of a list."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from tests.batch_apis.plan import Create, Plan
from tests.batch_apis.world import Job, World

Problem = Callable[..., web.Response]  # an error in the family's words: status, message, code


def owner_of(request: web.Request) -> str:
    """The project that the key of a call belongs to; empty if there is no key."""
    headers = request.headers
    bearer = headers.get("Authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or headers.get("api-key") or bearer


async def created(
    request: web.Request, plan: Plan, *, make: Callable[[], Job], shown: Callable[[Job], Any], problem: Problem
) -> Any:
    """The answer to a create call, with the faults of the plan. Returns the response, or never returns."""
    match plan.create:
        case Create.REFUSED:
            return problem(400, "The request was refused.", "invalid_request")
        case Create.ERROR_BEFORE:
            return problem(500, "The server had an error.", "server_error")
        case Create.BUSY:
            headers = {} if plan.retry_after is None else {"Retry-After": f"{plan.retry_after:g}"}
            return problem(429, "Too many jobs.", "rate_limit_exceeded", headers=headers)
        case Create.DROPPED:
            return _dropped(request)
        case Create.SILENT_BEFORE:
            await asyncio.sleep(3600)
    job = make()
    match plan.create:
        case Create.LOST_ANSWER:
            return _dropped(request)
        case Create.ERROR_AFTER:
            return problem(500, "The server had an error.", "server_error")
        case Create.SILENT_AFTER:
            await asyncio.sleep(3600)
    return web.json_response(shown(job))


async def sent(request: web.Request, job: Job | None, content: bytes, *, kind: str) -> web.StreamResponse:
    """The results of a job, with the faults of its plan: a reading may break off in the middle, at another byte each time."""
    readings = 0
    if job is not None:
        job.readings += 1
        readings = job.readings
    if job is None or readings > job.plan.breaks + job.plan.stalls:
        return web.Response(body=content, content_type=kind)
    response = web.StreamResponse(headers={"Content-Length": str(len(content)), "Content-Type": kind})
    await response.prepare(request)
    await response.write(content[: len(content) * readings // (readings + 1)])
    if readings > job.plan.breaks:
        await asyncio.sleep(3600)
    assert request.transport is not None
    request.transport.close()
    return response


def _dropped(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def seen(world: World, job: Job) -> bool:
    """Whether a look at a job finds it: it may be answered with 404 for a while after its creation, and after its end."""
    with world.lock:
        job.looks += 1
        if job.looks <= job.plan.unseen:
            return False
        if job.has_ended(world.now):
            job.looks_after_end += 1
            return job.looks_after_end > job.plan.flaps
        return True


def are_named(job: Job, now: float) -> bool:
    """Whether the results of a job are named to those who look at it."""
    return job.has_ended(now) and job.looks_after_end - job.plan.flaps > job.plan.late


def page(jobs: Sequence[Job], *, after: str | None, limit: int) -> tuple[Sequence[Job], bool]:
    """A page of jobs that come after a job, and whether there are more."""
    start = next((index + 1 for index, job in enumerate(jobs) if job.id == after), 0) if after else 0
    return jobs[start : start + limit], len(jobs) > start + limit

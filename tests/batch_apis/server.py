"""The faces on a port of this machine, redirects' files on a second one, and the admin API."""

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from tests.batch_apis.anthropic import AnthropicFace, results_of
from tests.batch_apis.openai import ROOTS, OpenAIFace
from tests.batch_apis.plan import Plan
from tests.batch_apis.world import Job, World

WAIT_SECONDS = 20.0
MAX_BYTES = 512 * 1024**2


class BatchApis:
    """The stand-in on an event loop in a thread of its own. Everything public may be used from any thread."""

    def __init__(self, *, port: int = 0) -> None:
        self.world = World()
        self.port, self.storage_port = port, 0
        self.storage_headers: list[Mapping[str, str]] = []  # names in lower case
        self._loop: asyncio.AbstractEventLoop | None = None
        self._quit: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage_origin(self) -> str:
        return f"http://127.0.0.1:{self.storage_port}"

    def url(self, family: str) -> str:
        """The base URL of a family, as its clients are given it."""
        if family == "anthropic":
            return self.origin
        return self.origin + next(root for root, name in ROOTS.items() if name == family)

    @property
    def jobs(self) -> list[Job]:
        """All jobs in the order of their creation."""
        with self.world.lock:
            return list(self.world.jobs.values())

    def plan(self, *plans: Plan, default: Plan | None = None) -> None:
        """Plan the next jobs; `default` is the plan of all that come after them."""
        self.world.plan(*plans, default=default)

    def advance(self, seconds: float) -> None:
        """Move the virtual clock."""
        self.world.advance(seconds)

    # --- life

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(ready)), name="batch apis", daemon=True)
        self._thread.start()
        assert ready.wait(WAIT_SECONDS), "the stand-in did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        assert self._loop is not None
        assert self._quit is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._quit.set)
        self._thread.join(WAIT_SECONDS)

    async def serve(self, ready: threading.Event) -> None:
        """Serve until the context manager ends."""
        self._loop, self._quit = asyncio.get_running_loop(), asyncio.Event()
        runners = [web.AppRunner(app, access_log=None, shutdown_timeout=0.1) for app in (self._app(), self._storage())]
        ports = []
        for runner, port in zip(runners, (self.port, 0), strict=True):
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            ports.append(runner.addresses[0][1])
        self.port, self.storage_port = ports
        ready.set()
        await self._quit.wait()
        for runner in runners:
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BYTES)
        for root in ROOTS:
            app.add_routes(OpenAIFace(self.world, root, storage_url=lambda: self.storage_origin).routes())
        app.add_routes(AnthropicFace(self.world, storage_url=lambda: self.storage_origin).routes())
        app.add_routes(
            [
                web.post("/admin/plans", self._plans),
                web.post("/admin/clock", self._clock),
                web.get("/admin/jobs", self._truth),
            ]
        )
        return app

    def _storage(self) -> web.Application:
        async def serve(request: web.Request) -> web.StreamResponse:
            self.storage_headers.append({name.lower(): value for name, value in request.headers.items()})
            name = request.match_info["id"].rpartition("/")[2] or request.match_info["id"]
            if stored := self.world.files.get(name):
                return web.Response(body=stored.content)
            job = self.world.jobs.get(name) or self.world.jobs.get(request.path.split("/")[-2])
            return web.Response(body=results_of(job, self.world.now)) if job else web.Response(status=404)

        app = web.Application()
        app.add_routes([web.get("/{id:.+}", serve)])
        return app

    # --- the admin API

    async def _plans(self, request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read(), type=list[Plan])
        self.plan(*asked)
        return web.json_response({"planned": len(asked)})

    async def _clock(self, request: web.Request) -> web.Response:
        self.advance(msgspec.json.decode(await request.read(), type=dict[str, float])["seconds"])
        return web.json_response({"now": self.world.now})

    async def _truth(self, request: web.Request) -> web.Response:
        return web.json_response([self._true(job) for job in self.jobs])

    def _true(self, job: Job) -> dict[str, Any]:
        now = self.world.now
        return {
            "id": job.id,
            "family": job.family,
            "rows": len(job.rows),
            "phase": job.phase(now),
            "processed": job.processed(now),
            "billed": job.is_billed(now),
            "about": dict(job.about),
        }

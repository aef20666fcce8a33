"""The probes of `config.answers.health`. They are answered without Django's threads, even if all of these are busy."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from config.front.drain import draining

PATIENCE_SECONDS = 2.0  # if the checks take longer, the portal counts as not ready
FRESH_SECONDS = 1.0  # a good result answers all probes within so many seconds

ProbeAnswer = tuple[HTTPStatus, Mapping[str, object]]

ALIVE: ProbeAnswer = HTTPStatus.OK, {"status": "alive"}
SERVING: ProbeAnswer = HTTPStatus.OK, {"status": "ready"}
STOPPING: ProbeAnswer = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    {"status": "not ready", "checks": {"web": "this web server is stopping"}},
)


class Probes:
    """Answers probes: whether the process is alive, and whether the portal can do its work."""

    def __init__(self, readiness: Callable[[], ProbeAnswer]) -> None:
        """`readiness` runs the checks. It is called in a thread that is used for nothing else."""
        self._readiness = readiness
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readyz")
        self._asked: tuple[float, asyncio.Future[ProbeAnswer]] | None = None

    async def answer(self, path: str) -> ProbeAnswer | None:
        """The status and the document for a path; None if the path is no probe."""
        match path:
            case "/healthz":
                return ALIVE
            case "/readyz/web":
                return STOPPING if draining.is_set() else SERVING
            case "/readyz":
                return STOPPING if draining.is_set() else await self._in_time()
        return None

    async def _in_time(self) -> ProbeAnswer:
        try:
            return await asyncio.wait_for(asyncio.shield(self._latest()), PATIENCE_SECONDS)
        except TimeoutError:
            why = {"web": f"the checks did not end within {PATIENCE_SECONDS:.0f} seconds"}
            return HTTPStatus.SERVICE_UNAVAILABLE, {"status": "not ready", "checks": why}

    def _latest(self) -> "asyncio.Future[ProbeAnswer]":
        """The checks that are running, or that succeeded a moment ago; else new checks."""
        now = time.monotonic()
        if self._asked:
            at, asked = self._asked
            if not asked.done() or (now - at < FRESH_SECONDS and _is_good(asked)):
                return asked
        asked = asyncio.get_running_loop().run_in_executor(self._thread, self._readiness)
        self._asked = now, asked
        return asked


def _is_good(asked: "asyncio.Future[ProbeAnswer]") -> bool:
    return not asked.exception() and asked.result()[0] == HTTPStatus.OK


def rendered(document: Mapping[str, object]) -> bytes:
    """The JSON of a probe's document."""
    return json.dumps(document).encode()

"""Metrics in the front: each request is counted, and readers of `/metrics` are answered without Django's threads."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus

from django.urls import get_resolver
from django.utils.datastructures import CaseInsensitiveMapping

from batches.http import mounts
from batches.services.telemetry.catalogue import HTTP_REQUESTS, HTTP_SECONDS
from batches.services.telemetry.counts import count, observe
from config.answers.metrics import PATH, Answer, may_read, refusal
from config.front.client_request import ClientRequest

PATIENCE_SECONDS = 8.0  # Prometheus gives a scrape up after ten seconds
TELL_SECONDS = 5.0  # so long after a request the counts are told to the database
GONE = "gone"  # the class of an answer that was never begun, because the client had left

Page = Callable[..., Answer]

_FIRST = ("admin", "console", "metrics", "static")  # the first segments of paths that are no dialect's


class Metrics:
    """Counts requests, and answers readers. One thread asks the database, and tells it what this process has counted."""

    def __init__(self, page: Page, *, tell: Callable[[], object]) -> None:
        """`page` makes the answer to those who may read, and `tell` tells the database. Both are called in the thread."""
        self._page = page
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._will_tell = False

    async def answer(self, request: ClientRequest) -> bool:
        """Answer a reader of metrics. False if the request is another one, or the path is to look unknown to its sender."""
        if request.scope["path"] != PATH:
            return False
        peer = request.scope["client"][0] if request.scope["client"] else ""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}
        found = await self._in_time(request, headers) if may_read(headers, peer=peer) else refusal()
        if found is None:
            return False
        shown = [(name.encode(), value.encode("latin-1")) for name, value in found.headers.items()]
        if request.scope["method"] not in ("GET", "HEAD"):
            shown.append((b"connection", b"close"))  # a body may still be on its way
        await request.answer(found.status, shown, found.content)
        return True

    async def _in_time(self, request: ClientRequest, headers: Mapping[str, str]) -> Answer:
        make = partial(self._page, request.scope["method"], accept=headers.get("accept", ""))
        making = request.loop.run_in_executor(self._thread, make)
        try:
            return await asyncio.wait_for(asyncio.shield(making), PATIENCE_SECONDS)
        except TimeoutError:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"The metrics could not be collected in time.")

    def note(self, request: ClientRequest, *, began: float) -> None:
        """Count a request that is over; `began` is when its head had arrived, by the event loop's clock."""
        face = face_of(request.scope["path"], request.headers)
        count(HTTP_REQUESTS, face, GONE if request.status is None else f"{request.status // 100}xx")
        if request.answered_at is not None:
            observe(HTTP_SECONDS, face, seconds=[request.answered_at - began])
        if not self._will_tell:
            self._will_tell = True
            request.loop.call_later(TELL_SECONDS, self._begin_telling)

    def close(self) -> None:
        """Tell the rest, and end the thread."""
        self._thread.submit(self._tell)
        self._thread.shutdown()

    def _begin_telling(self) -> None:
        self._will_tell = False
        self._thread.submit(self._tell)


def face_of(path: str, headers: Mapping[bytes, bytes]) -> str:
    """Whose request this is: a dialect, `api` for the native API, or one of `_FIRST`, or `other`."""
    first = path.split("/", 2)[1] if "/" in path else ""
    if first in _FIRST:
        return first
    get_resolver().url_patterns  # noqa: B018 - loading the URLs mounts the dialects, if no request has done so yet
    by_name = CaseInsensitiveMapping({name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()})
    mount = mounts.owner(path, by_name)
    return mount.dialect if mount else "other"

"""`inline`: 100,000 requests in one create call of 200 MB, run, and their results streamed; the memory of each process."""

import argparse
import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.inputs import WrongResult
from tests.benchmarks.portal import Portal, embedded, grown_up
from tests.benchmarks.tables import MB, table, verdict
from tests.benchmarks.upstream import upstream

GOAL_MB = 300.0
PATH = "/v1/messages/batches"
CHUNK = 1024**2


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=100_000, help="requests in the call (default: %(default)s)")
    parser.add_argument("--megabytes", type=int, default=200, help="bytes of its body (default: %(default)s)")
    parser.add_argument("--embedded", action="store_true", help="measure the portal in one process instead")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    serving = embedded if options.embedded else grown_up
    with upstream() as stub, serving(stub) as portal:
        peaks = {"started": portal.peaks()}
        times = {}
        for step, did in _steps(portal, requests=options.requests, size=options.megabytes * 1024**2):
            times[step], peaks[step] = did, portal.peaks()
    roles = sorted(peaks["started"])
    rows = [(step, times.get(step, 0.0), *(peaks[step].get(role, 0) / MB for role in roles)) for step in peaks]
    greatest = max(peaks["created"].values()) / MB
    print("\n" + table(("peak MB of one process, so far", "s", *roles), rows))
    print(f"\n{greatest:.0f} MB at most once it was created, goal {verdict(greatest, at_most=GOAL_MB)}")
    return {"peaks": peaks, "seconds": times}


def _steps(portal: Portal, *, requests: int, size: int) -> Iterator[tuple[str, float]]:
    """Do one step after the other; each with its seconds."""
    started = time.monotonic()

    def lap() -> float:
        nonlocal started
        before, started = started, time.monotonic()
        return started - before

    length, body = _body(requests, size)
    batch = json.loads(_answered(portal, "POST", PATH, body, length))
    yield "created", lap()
    if batch["request_counts"]["processing"] != requests:
        raise WrongResult(f"The new batch is {batch}.")
    batch_id = batch["id"]
    portal.client.wait(batch_id, statuses={"in_progress", "finalizing", "completed"})
    yield "validated", lap()
    portal.client.wait(batch_id, statuses={"completed"})
    yield "completed", lap()
    lines = _answered(portal, "GET", f"{PATH}/{batch_id}/results").count(b'"type":"succeeded"')
    yield "results", lap()
    if lines != requests:
        raise WrongResult(f"{lines} of {requests} results are successes.")


def _body(requests: int, size: int) -> tuple[int, Iterator[bytes]]:
    """A create body of about this size, piece by piece, and its exact length."""
    item = b'{"custom_id":"row-%06d","params":{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"%b"}]}}'
    text = b"x" * max(1, size // requests - len(item % (0, b"")) - 1)
    head, tail = b'{"requests":[', b"]}"

    def pieces() -> Iterator[bytes]:
        yield head
        held: list[bytes] = []
        for number in range(requests):
            held.append(item % (number, text) + (b"," if number < requests - 1 else b""))
            if len(held) * len(held[0]) >= CHUNK:
                yield b"".join(held)
                held = []
        yield b"".join(held) + tail

    return len(head) + requests * (len(item % (0, text)) + 1) - 1 + len(tail), pieces()


def _answered(portal: Portal, method: str, path: str, body: Iterator[bytes] | None = None, length: int = 0) -> bytes:
    """The content of an answer. The simulator is named, for the portal has another default."""
    connection = http.client.HTTPConnection(urlsplit(portal.process.url).netloc, timeout=300)
    headers = portal.client.headers | {"Content-Length": str(length), "x-model-provider": "simulator"}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise WrongResult(f"{method} {path} was answered with {answer.status}: {content[:500]!r}")
    return content

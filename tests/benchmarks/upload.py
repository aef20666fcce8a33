"""`upload`: an upload in parts is completed on SQLite; for how long nobody else can write to the database meanwhile."""

import argparse
import contextlib
import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.client import BOUNDARY, Client
from tests.benchmarks.inputs import WrongResult
from tests.benchmarks.portal import embedded
from tests.benchmarks.tables import MB, verdict
from tests.benchmarks.upstream import upstream

GOAL_MS = 100.0
PART_MB = 64
LINE = b'{"custom_id":"%010d","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user",'
LINE_BYTES = 4096
LOOK_SECONDS = 0.002  # between two tries to write


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size-mb", type=int, default=2048, help="of the upload (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="uploads, one after the other (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Complete uploads, and print the longest time that the database took no write; what was measured."""
    size = options.size_mb * MB
    limits = {"MAX_UPLOAD_BYTES": str(size), "MAX_BATCH_FILE_BYTES": str(size)}
    found = []
    with upstream() as stub, embedded(stub, **limits) as portal:
        database = Path(portal.process.environment["BATCHYARD_DATA"]) / "batchyard.sqlite3"
        for _ in range(options.rounds):
            upload, parts = _sent(portal.client, size=size)
            with _trying_to_write(database) as waits:
                started = time.monotonic()
                _post(portal.client, f"/v1/uploads/{upload}/complete", json.dumps({"part_ids": parts}).encode())
                seconds = time.monotonic() - started
            found.append((seconds, max(waits) * 1000, len(waits)))
            print(f"completed in {seconds:.1f} s; {len(waits):,} writes beside it, the longest waited {max(waits) * 1000:.0f} ms")
    longest = max(wait for _, wait, _ in found)
    print(
        f"\n{options.size_mb} MB: nobody waited longer than {longest:.0f} ms to write, goal {verdict(longest, at_most=GOAL_MS)}"
    )
    return {"rounds": found}


def _sent(client: Client, *, size: int) -> tuple[str, list[str]]:
    """An upload with all its parts: its id, and theirs."""
    about = {"purpose": "batch", "filename": "large.jsonl", "bytes": size, "mime_type": "application/jsonl"}
    upload = _post(client, "/v1/uploads", json.dumps(about).encode())["id"]
    line = (LINE % 0).ljust(LINE_BYTES - 1, b"x") + b"\n"
    parts = []
    for start in range(0, size, PART_MB * MB):
        content = line * (min(PART_MB * MB, size - start) // LINE_BYTES)
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="data"; filename="part"\r\n\r\n'.encode()
        body = head + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        parts.append(_post(client, f"/v1/uploads/{upload}/parts", body, f"multipart/form-data; boundary={BOUNDARY}")["id"])
    return upload, parts


def _post(client: Client, path: str, body: bytes, content_type: str = "application/json") -> dict[str, Any]:
    with contextlib.closing(http.client.HTTPConnection(client.address, timeout=300)) as connection:
        connection.request("POST", path, body, {**client.headers, "Content-Type": content_type})
        answer = connection.getresponse()
        content = answer.read()
    if answer.status != 200:
        raise WrongResult(f"POST {path} was answered with {answer.status}: {content[:500]!r}")
    document: dict[str, Any] = json.loads(content)
    return document


@contextlib.contextmanager
def _trying_to_write(database: Path) -> Iterator[list[float]]:
    """How long each of many short writes waited for the lock, in seconds, while the block runs."""
    waits: list[float] = []
    done = threading.Event()

    def write() -> None:
        with contextlib.closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
            while not done.wait(LOOK_SECONDS):
                began = time.monotonic()
                while not _has_locked(connection):  # SQLite's own waiting sleeps for up to 100 ms at a time
                    time.sleep(LOOK_SECONDS)
                waits.append(time.monotonic() - began)
                connection.execute("ROLLBACK")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield waits
    finally:
        done.set()
        writer.join()


def _has_locked(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True

"""A client of the portal that costs little and streams: upload, create, wait, download."""

import http.client
import json
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.inputs import ENDPOINT, WrongResult

BOUNDARY = "batchyard-benchmark"
CHUNK = 1024**2
POLL_SECONDS = 0.2
PATIENCE = 1800.0  # seconds until a batch must have got somewhere
FRESH_SECONDS = 1.0  # after which a connection that was not used is not used again
TERMINAL = frozenset({"completed", "failed", "cancelled", "expired"})


class Client:
    """Speaks the OpenAI dialect to one portal, on one connection."""

    def __init__(self, url: str, key: str) -> None:
        self.address = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self.address, timeout=300)
        self.headers = {"Authorization": f"Bearer {key}"}
        self._used_at = time.monotonic()

    def upload(self, path: Path) -> str:
        """POST /v1/files; the file's id."""
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        ).encode()
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Content-Length": str(len(head) + path.stat().st_size + len(tail)),
        }
        return str(self._asked("POST", "/v1/files", body=_streamed(head, path, tail), headers=headers)["id"])

    def create(self, file_id: str) -> dict[str, Any]:
        """POST /v1/batches; the batch."""
        document = {"input_file_id": file_id, "endpoint": ENDPOINT, "completion_window": "24h"}
        return self._asked(
            "POST", "/v1/batches", body=json.dumps(document).encode(), headers={"Content-Type": "application/json"}
        )

    def create_at(self, provider: str, file_id: str, *, priority: int = 0) -> str:
        """POST /api/v1/batches; the batch's id."""
        document = {"input_file_id": file_id, "endpoint": ENDPOINT, "provider": provider, "priority": priority}
        body, headers = json.dumps(document).encode(), {"Content-Type": "application/json"}
        return str(self._asked("POST", "/api/v1/batches", body=body, headers=headers)["id"])

    def cancel(self, batch_id: str) -> None:
        """POST /v1/batches/ID/cancel"""
        self._asked("POST", f"/v1/batches/{batch_id}/cancel", headers={"Content-Length": "0"})

    def get(self, path: str) -> dict[str, Any]:
        """Any document."""
        return self._asked("GET", path)

    def wait(self, batch_id: str, *, statuses: Collection[str] = TERMINAL, poll: float = POLL_SECONDS) -> dict[str, Any]:
        """The batch, once it has one of these statuses."""
        deadline = time.monotonic() + PATIENCE
        while (batch := self.get(f"/v1/batches/{batch_id}"))["status"] not in statuses:
            if batch["status"] in TERMINAL or time.monotonic() > deadline:
                raise WrongResult(f"Waited for {sorted(statuses)}, but the batch is {batch}.")
            time.sleep(poll)
        return batch

    def download(self, file_id: str, path: Path) -> Path:
        """GET /v1/files/ID/content, into a file."""
        with self._answered("GET", f"/v1/files/{file_id}/content", None, self.headers) as answer, path.open("wb") as sink:
            if answer.status != 200:
                raise WrongResult(f"The content of {file_id} was answered with {answer.status}.")
            shutil.copyfileobj(answer, sink, CHUNK)
        return path

    def _asked(
        self, method: str, path: str, *, body: bytes | Iterator[bytes] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        with self._answered(method, path, body, self.headers | (headers or {})) as answer:
            content = answer.read()
        if answer.status not in (200, 201):
            raise WrongResult(f"{method} {path} was answered with {answer.status}: {content[:500]!r}")
        document: dict[str, Any] = json.loads(content)
        return document

    def _answered(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        if time.monotonic() - self._used_at > FRESH_SECONDS:
            self._connection.close()  # the server may have closed it as well; the next request opens another
        self._used_at = time.monotonic()
        self._connection.request(method, path, body=body, headers=headers)
        return self._connection.getresponse()


def require_success(batch: dict[str, Any], *, lines: int) -> None:
    """The batch has ended, all of its requests answered, and its counts say so. Raises WrongResult."""
    expected = {"total": lines, "completed": lines, "failed": 0}
    if batch["status"] != "completed" or batch["request_counts"] != expected or batch.get("error_file_id"):
        raise WrongResult(f"Expected a batch with {expected}, but it is {batch}.")


def _streamed(head: bytes, path: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk
    yield tail

"""What is done to a portal whose code may be of any release: started as a script in that release's folder.

`fill` makes batches in every state; `go_on` carries out whatever is open, as a worker would. It uses nothing of the code
but its wire, its commands and the names of its tasks, which every release has.
"""

import io
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()

from celery import current_app  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

from batches.engine.shutdown import stopping  # noqa: E402

PATIENCE = 60.0  # seconds
ENDPOINT = "/v1/chat/completions"
REFUSED = {"status": 400, "code": "content_filter", "message": "Refused."}
AWAY = {"status": 429, "retry_after": 3600}
OPEN = ("validating", "in_progress", "finalizing", "cancelling")


def fill() -> None:
    """Fill an empty portal: batches that ended, that were cancelled, that run, and that wait."""
    User.objects.create_superuser("operator", password="as long as it is needed")
    key = _said("apikey", "create", "--project", "acme", "--name", "nightly")
    client = Client(headers={"Authorization": f"Bearer {key}"}, SERVER_NAME="localhost")
    good = _lines(60)
    mixed = [*_lines(40), *(_line(f"bad-{number}", simulate=REFUSED) for number in range(10))]
    ended, stopped, retried = _create(client, good), _create(client, good), _create(client, mixed)
    refused = _create(client, ['{"custom_id": '])
    for batch in (ended, stopped, retried, refused):
        run("validate", batch)
    _posted(client, f"/v1/batches/{stopped}/cancel")
    run("execute")
    for batch in (ended, stopped, retried):
        run("finalize", batch)
    half = _create(client, [*_lines(20), *(_line(f"later-{number}", simulate=AWAY) for number in range(5))])
    run("validate", half)
    _stopped_amid(half, settled=20)
    ready, _ = _create(client, good), _create(client, mixed)
    run("validate", ready)
    _said("provider", "add", "elsewhere", "--adapter", "openai", "--base-url", "http://127.0.0.1:9/v1")
    with connection.cursor() as cursor:  # a test may run years later
        cursor.execute("UPDATE batches_batch SET expires_at = '2199-01-01 00:00:00+00:00' WHERE ended_at IS NULL")
        cursor.execute("UPDATE batches_file SET expires_at = '2199-01-01 00:00:00+00:00' WHERE expires_at IS NOT NULL")


def go_on() -> None:
    """Cancel what only waits, and carry out everything else until nothing is open."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batches_slice SET not_before = NULL, lease_owner = NULL, lease_expires_at = NULL")
        cursor.execute(
            "SELECT id FROM batches_batch b WHERE status = 'in_progress' AND EXISTS"
            " (SELECT 1 FROM batches_attempt a WHERE a.batch_id = b.id)"
        )
        waiting = [str(row[0]) for row in cursor.fetchall()]
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="operator"))
    for batch in waiting:
        _posted(client, f"/api/v1/batches/{batch}/cancel", "{}", content_type="application/json")
    for batch in _open():
        run("validate", batch)
    run("execute")
    for batch in _open():
        run("finalize", batch)


def run(task: str, *ids: str) -> None:
    """Do what a worker does when it hears this message."""
    current_app.loader.import_default_modules()
    current_app.tasks[f"batches.engine.{task}"](*ids)


def _stopped_amid(batch: str, *, settled: int) -> None:
    """Have a worker work on a batch until so much has settled, and stop it."""
    worker = threading.Thread(target=run, args=("execute",))
    worker.start()
    deadline = time.monotonic() + PATIENCE
    while _settled(batch) < settled:
        assert time.monotonic() < deadline, "the worker is too slow"
        time.sleep(0.1)
    stopping.set()
    worker.join(PATIENCE)
    stopping.clear()


def _settled(batch: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT batch_id FROM batches_batchobject WHERE settled_at IS NOT NULL")
        return sum(uuid.UUID(str(row[0])) == uuid.UUID(batch) for row in cursor.fetchall())


def _open() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM batches_batch WHERE status IN {OPEN} ORDER BY created_at")  # noqa: S608 - our own words
        return [str(row[0]) for row in cursor.fetchall()]


def _lines(count: int) -> list[str]:
    return [_line(f"row-{number}") for number in range(count)]


def _line(custom_id: str, **more: Any) -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": custom_id}]} | more
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body})


def _create(client: Client, lines: Iterable[str]) -> str:
    content = SimpleUploadedFile("input.jsonl", "".join(f"{line}\n" for line in lines).encode())
    file = _posted(client, "/v1/files", {"purpose": "batch", "file": content})["id"]
    document = {"input_file_id": file, "endpoint": ENDPOINT, "completion_window": "24h"}
    return str(_posted(client, "/v1/batches", json.dumps(document), content_type="application/json")["id"].removeprefix("batch_"))


def _posted(client: Client, path: str, *arguments: Any, **more: Any) -> Any:
    answer = client.post(path, *arguments, **more)
    assert answer.status_code < 300, answer.content
    return answer.json()


def _said(*words: str) -> str:
    said = io.StringIO()
    call_command(*words, stdout=said)
    return said.getvalue().strip()


if __name__ == "__main__":
    {"fill": fill, "go_on": go_on}[sys.argv[1]]()

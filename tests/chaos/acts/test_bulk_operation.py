"""The worker of a bulk operation is killed while it acts. Each batch is acted on once."""

import json
from datetime import timedelta

import pytest

from tests.benchmarks.inputs import ENDPOINT, custom_id, input_line
from tests.chaos.client import FORM, LINE_BYTES, form
from tests.chaos.faults import kill
from tests.chaos.levers import set_clock
from tests.chaos.stage import Stage

BATCHES = 60
# Every batch has failed, and a retry of an ended batch makes a new batch, so an act that is done twice would be seen.
ORDER = """
import uuid
from django.contrib.auth.models import User
from django.utils import timezone
from batches.models import BulkAct
from batches.services.core.access import access_of
from batches.services.bulk.choice import matching
from batches.services.bulk.create import Order, create
from batches.rules.states import Source

by = access_of(User.objects.create_superuser("chaos"), source=Source.CONSOLE)
now = timezone.now()
order = Order(BulkAct.RETRY, "chaos", uuid.uuid4(), now, shown=1000, typed=1000)
print(create(matching(by, "metadata.of=bulk", now=now), order, by=by, now=now).pk)
"""


@pytest.mark.servers
def test_a_killed_worker_of_a_bulk_operation_leaves_nothing_out_and_does_nothing_twice(grown_up: Stage) -> None:
    run = grown_up.begin(1)
    file = json.loads(grown_up.ask("/v1/files", body=form(input_line(custom_id(0), line_bytes=LINE_BYTES)), kind=FORM))
    body = {"input_file_id": file["id"], "endpoint": ENDPOINT, "completion_window": "24h", "metadata": {"of": "bulk"}}
    for _ in range(BATCHES):
        grown_up.ask("/v1/batches", body=json.dumps(body).encode())
    ended = "SELECT count(*) FROM batches_batch WHERE ended_at IS NULL"
    grown_up.wait_until(lambda: grown_up.rows(ended) == [(0,)], what="every batch had failed")

    ordered = grown_up.portal.manage("shell", "-v0", "-c", ORDER)
    operation = ordered.stdout.strip()
    assert operation, ordered.stderr
    progress = "SELECT done FROM batches_bulkoperation WHERE id = %s AND done > %s"
    for share in (0.1, 0.5):
        grown_up.wait_until(lambda at=share * BATCHES: grown_up.rows(progress, operation, at), what="it had begun")  # type: ignore[misc]
        kill([grown_up.leader("--queues control")])

    over = "SELECT total, done FROM batches_bulkoperation WHERE id = %s AND ended_at IS NOT NULL"
    assert grown_up.wait_until(lambda: grown_up.rows(over, operation), what="it had ended") == [(BATCHES, BATCHES)]
    children = "SELECT count(*), count(DISTINCT parent_id) FROM batches_batch WHERE parent_id IS NOT NULL"
    assert grown_up.rows(children) == [(BATCHES, BATCHES)]
    assert grown_up.wait_until_ended(run)["status"] == "completed"

    # A worker that is killed before it saves the row of a file leaves orphaned bytes, which are removed a day later.
    set_clock(grown_up.portal.folder, timedelta(hours=25))
    try:
        mended = grown_up.portal.manage("verify", "--repair", "--orphans")
    finally:
        set_clock(grown_up.portal.folder, None)
    assert mended.returncode == 0, mended.stdout
    grown_up.assert_agrees()

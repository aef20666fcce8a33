"""The announcements of batches that have ended."""

import pytest
from django.test import Client

from batches.models import Batch, Project, Role
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn

pytestmark = pytest.mark.once
ENDED = "/console/batches/ended/"


def announced(client: Client, *batches: Batch) -> str:
    answer = client.get(ENDED, {"batch": [str(batch) for batch in batches]})
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_batch_that_has_ended_is_announced_with_its_numbers(console: Client, make_batch: MakeBatch) -> None:
    """O22: the end of a watched batch changed its page and was announced nowhere."""
    batch = make_batch(BatchStatus.COMPLETED, remark="Nightly <run>", succeeded=3, failed=1)
    page = announced(console, batch)
    assert f'data-ended="{batch}"' in page
    assert "Nightly &lt;run&gt;" in page
    assert "3 of 4 requests succeeded." in page
    assert f'href="/console/batches/{batch}/"' in page


def test_what_runs_and_what_is_of_others_is_not(
    console: Client, member: SignIn, make_batch: MakeBatch, other_project: Project
) -> None:
    running, ended = make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.CANCELLED)
    assert "data-ended" not in announced(console, running)
    assert "data-ended" in announced(console, running, ended)
    assert announced(member(Role.ADMIN, of=other_project), running, ended).strip() == ""


@pytest.mark.parametrize("query", ["batch=x", "batch=", "batches=1", "batch=%00", "text=a", "batch=batch_" + "f" * 31])
def test_what_is_no_batch_is_refused(console: Client, query: str) -> None:
    assert console.get(f"{ENDED}?{query}").status_code == 400


def test_a_hundred_are_watched_and_no_more(console: Client, make_batch: MakeBatch) -> None:
    ids = [f"batch_{number:032x}" for number in range(101)]
    assert console.get(ENDED, {"batch": ids[:100]}).status_code == 200
    assert console.get(ENDED, {"batch": ids}).status_code == 400


@pytest.mark.parametrize("status", [BatchStatus.IN_PROGRESS, BatchStatus.COMPLETED])
def test_pages_mark_the_batches_that_are_worth_watching(console: Client, make_batch: MakeBatch, status: BatchStatus) -> None:
    batch = make_batch(status)
    for path in ("/console/batches/", f"/console/batches/{batch}/"):
        assert (f'data-open="{batch}"' in console.get(path).content.decode()) is (status == BatchStatus.IN_PROGRESS)

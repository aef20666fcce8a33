"""Pages that count what a batch ended with say what it is after its retries, and offer only what is still to be mended."""

import json

import pytest
from django.test import Client

from batches.models import Batch, Project
from tests.cast import request_lines, started
from tests.rounds import at, child_of, completed, fingerprint_of, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project) -> Batch:
    """Eight requests, of which one was refused and three came too late; one of these succeeded in a retry."""
    batch = completed(started(project, request_lines(8), remark="Nightly"), odd={1}, late={2, 3, 4})
    completed(child_of(batch, at(2)))
    return Batch.objects.get(pk=batch.pk)


@pytest.fixture
def mended(batch: Batch) -> Batch:
    """The batch after all of its failures succeeded in retries."""
    completed(child_of(batch))
    return Batch.objects.get(pk=batch.pk)


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return " ".join(answer.content.decode().split())


def test_the_page_of_a_batch_says_what_it_is_after_retries(console: Client, batch: Batch) -> None:
    """O9."""
    shown = page(console, f"/console/batches/{batch}/")
    assert "<b>5 of 8 after retries.</b> 1 request succeeded in a retry; 3 did not succeed yet." in shown
    assert "1 recovered by retries" in shown
    assert "Retry the 2 worth retrying…" in shown
    assert shown.count(' name="line" value="') == 3, "what is mended cannot be ticked"


def test_while_a_retry_runs_its_parent_says_so_in_numbers(console: Client, batch: Batch) -> None:
    child = child_of(batch)
    run(child, late={1}, keep={2})
    shown = page(console, f"/console/batches/{batch}/")
    assert "3 requests are being sent again in" in shown
    assert "Retry 2 of Nightly: 3 refused and timed-out requests</a>: 2 finished, 1 of them succeeded." in shown
    assert f'href="/console/batches/{batch}/retry/' not in shown, "nothing is left to retry"


def test_when_everything_is_mended_no_page_offers_a_retry(console: Client, mended: Batch) -> None:
    """O9."""
    shown = page(console, f"/console/batches/{mended}/")
    assert "Succeeded after retries" in shown
    assert "All 8 requests succeeded, 4 of them in a retry." in shown
    assert "/retry/" not in shown
    group = page(console, f"/console/errors/{fingerprint_of(mended, 'timeout')}/")
    assert "/retry/" not in group
    assert "3 recovered" in group
    assert "succeeded in Retry 1 of Nightly" in group


def test_the_page_of_a_request_leads_to_where_it_succeeded(console: Client, batch: Batch) -> None:
    """O9."""
    child = Batch.objects.get(parent=batch)
    shown = page(console, f"/console/batches/{batch}/lines/2/")
    assert f'href="/console/batches/{child}/lines/1/">succeeded in Retry 1 of Nightly' in shown.replace("batch_", "batch_")
    assert "/retry/" not in shown
    assert "/retry/" in page(console, f"/console/batches/{batch}/lines/3/")


def test_the_list_says_it_in_its_progress_or_in_a_column_and_filters_by_it(console: Client, batch: Batch) -> None:
    """O9."""
    assert "5 of 8 after retries" in page(console, "/console/batches/?view=all")
    assert "After retries" in page(console, "/console/batches/?view=all&columns=status,net")
    assert "Nightly</a>" in page(console, "/console/batches/?condition=unresolved")
    completed(child_of(batch))
    assert "Nightly</a>" not in page(console, "/console/batches/?condition=unresolved")
    assert "Nightly</a>" not in page(console, "/console/batches/?view=attention")


def test_exports_have_the_counts_after_retries_beside_the_frozen_ones(console: Client, batch: Batch) -> None:
    answer = console.get("/console/batches/export.jsonl?view=all")
    rows = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]  # type: ignore[attr-defined]
    (row,) = (row for row in rows if row["id"] == str(batch))
    assert (row["succeeded"], row["failed"]) == (4, 4)
    assert (row["net_succeeded"], row["net_failed"], row["net_cancelled"], row["net_expired"]) == (5, 3, 0, 0)


def test_a_retry_is_previewed_by_group_with_the_reason_why_it_helps(console: Client, batch: Batch) -> None:
    """O10."""
    shown = page(console, f"/console/batches/{batch}/retry/?worth=yes")
    assert "Send 2 requests again?" in shown
    assert "<b>1</b> skipped: a retry will not help." in shown
    assert "The upstream did not answer in time. 1 more already succeeded in a retry." in shown
    everything = page(console, f"/console/batches/{batch}/retry/")
    assert "Send 3 requests again?" in everything
    assert "<b>1</b> will probably fail again" in everything
    assert "Retry only the 2 worth retrying" in everything
    assert "<b>1</b> skipped: it already succeeded in a retry." in everything


def test_several_ticked_groups_are_one_child_batch(console: Client, batch: Batch) -> None:
    odd, late = fingerprint_of(batch, "odd"), fingerprint_of(batch, "timeout")
    address = f"/console/batches/{batch}/retry/?groups=yes&error={odd}&error={late}"
    assert "Send 3 requests again?" in page(console, address)
    answer = console.post(address, {"version": batch.version}, follow=True)
    child = Batch.objects.get(parent=batch, remark__startswith="Retry 2 of Nightly")
    shown = " ".join(answer.content.decode().split())
    assert "This batch sends 3 requests again. 1 skipped: already succeeded, or in another retry. When it ends" in shown
    assert "</a>: 5 of 8 now, up to 8 then." in shown
    assert child.announced == 3


@pytest.mark.parametrize("query", ["?worth=no", "?worth=yes&line=1", "?groups=yes", "?error=%00", "?worth=yes&error=v1:x"])
def test_an_address_that_names_no_requests_is_refused(console: Client, batch: Batch, query: str) -> None:
    assert console.get(f"/console/batches/{batch}/retry/{query}").status_code == 302

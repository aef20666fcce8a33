from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.actors import ENGINE
from batches.models import Batch, BatchError, BatchObject
from batches.services.error_groups import record_errors, recount_groups
from batches.services.fail import fail
from batches.states import BatchStatus
from providers.failures import Kind
from tests.console.conftest import MakeBatch


def text(client: Client, batch: Batch, query: str = "") -> str:
    answer = client.get(f"/console/batches/{batch}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("status", BatchStatus)
def test_a_batch_of_every_status_has_a_page_that_says_what_it_means(
    console: Client, make_batch: MakeBatch, status: BatchStatus
) -> None:
    batch = make_batch(status, remark="Nightly run", metadata={"team": "search"})
    page = text(console, batch)
    assert "Nightly run" in page
    assert "team" in page
    if status == BatchStatus.FAILED:
        assert "Its input was not valid. Nothing was sent to the provider." in page
    else:
        assert status.sentence in page


def test_the_counts_filter_the_objects(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=2, failed=1, pending=3)
    assert 'href="?status=failed#objects"' in text(console, batch)
    answer = console.get(f"/console/batches/{batch}/?status=failed")
    assert [row.object.custom_id for row in answer.context["rows"]] == ["a-3"]
    assert [row.error_code for row in answer.context["rows"]] == ["server_error"]


def test_objects_are_found_by_custom_id(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=12)
    answer = console.get(f"/console/batches/{batch}/?custom_id=A-1&status=")
    assert [row.object.custom_id for row in answer.context["rows"]] == ["a-1", "a-10", "a-11", "a-12"]


@pytest.mark.parametrize("query", ["?status=lost", "?colour=red", "?after=x", "?after=1&before=2", "?custom_id=%00"])
def test_a_filter_that_is_not_understood_shows_no_objects(console: Client, make_batch: MakeBatch, query: str) -> None:
    batch = make_batch(succeeded=2)
    answer = console.get(f"/console/batches/{batch}/{query}")
    assert answer.context["rows"] == []
    assert "nothing is shown" in answer.content.decode()


def test_pages_of_objects_lead_back_and_forth(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=120)
    address = f"/console/batches/{batch}/"
    second = console.get(f"{address}?after=50").context
    assert [row.object.line for row in second["rows"]] == list(range(51, 101))
    assert (second["page"].back, second["page"].forward) == ("51", "100")
    first = console.get(f"{address}?before=51").context
    assert [row.object.line for row in first["rows"]] == list(range(1, 51))
    assert (first["page"].back, first["page"].forward) == (None, "50")


def test_failures_are_grouped_and_the_group_leads_to_its_objects(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, failed=3)
    BatchError.objects.filter(batch=batch, line=4).delete()
    recount_groups(batch, ["v1:same"])
    other = {"fingerprint": "v1:other", "code": "context_length", "message": "Too long.", "kind": "invalid_request"}
    error = BatchError(batch=batch, line=4, round=1, source="caller", http_status=400, created_at=timezone.now(), **other)
    record_errors([error], {batch.pk: batch})
    page = text(console, batch)
    assert "The upstream failed." in page
    assert Kind.SERVER_ERROR.sentence in page
    assert "Trying again may help." in page
    assert "Trying again will not help as it stands." in page
    answer = console.get(f"/console/batches/{batch}/?error=v1:same")
    assert [row.object.line for row in answer.context["rows"]] == [2, 3]


def test_validation_errors_are_shown_by_line_and_all_are_counted(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.FAILED)
    BatchError.objects.bulk_create(
        BatchError(batch=batch, line=line, code="missing_url", message=f"No url {line}.", param="url", created_at=timezone.now())
        for line in range(2, 100)
    )
    Batch.objects.filter(pk=batch.pk).update(error_count=5000)
    page = text(console, batch)
    assert "5,000 problems, of which the first 99 are kept" in page
    assert "98 × missing_url" in page
    assert "No url 50." in page
    assert "No url 51." not in page
    assert "No url 99." in text(console, batch, "?validation=all")


def test_a_batch_that_failed_as_a_whole_says_why(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    fail(batch, kind=Kind.AUTHENTICATION, message="The key was revoked.", actor=ENGINE, now=timezone.now())
    assert "The key was revoked." in text(console, batch)


def test_a_throttled_batch_says_until_when_and_why(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    until = timezone.now() + timedelta(minutes=3)
    Batch.objects.filter(pk=batch.pk).update(throttled_until=until, throttled_reason="429 from the upstream")
    page = text(console, batch)
    assert '<span class="badge warn">Throttled</span>' in page
    assert "429 from the upstream" in page
    assert f"{until:%H:%M:%S} UTC" in page


def test_a_stalled_batch_has_no_eta_and_a_moving_one_has(console: Client, make_batch: MakeBatch) -> None:
    stalled = make_batch(BatchStatus.IN_PROGRESS, pending=10, created_at=timezone.now() - timedelta(hours=1))
    moving = make_batch(BatchStatus.IN_PROGRESS, succeeded=10, pending=10, created_at=timezone.now() - timedelta(hours=1))
    assert console.get(f"/console/batches/{stalled}/").context["pace"].done_at is None
    BatchObject.objects.filter(batch=moving, status="succeeded").update(settled_at=timezone.now())
    pace = console.get(f"/console/batches/{moving}/").context["pace"]
    assert pace.per_minute == pytest.approx(2, rel=0.05)
    assert timedelta(minutes=4) < pace.done_at - timezone.now() < timedelta(minutes=6)
    assert not pace.late


def test_the_timeline_tells_who_did_what(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    console.post(f"/console/batches/{batch}/cancel/", {"note": "Wrong <model>."})
    page = text(console, batch)
    assert "user operator · console" in page
    assert "Wrong &lt;model&gt;." in page


def test_the_number_of_queries_does_not_grow_with_the_objects(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    small = make_batch(BatchStatus.IN_PROGRESS, succeeded=1, failed=1, pending=1)
    large = make_batch(BatchStatus.IN_PROGRESS, succeeded=40, failed=40, pending=40)
    few = count_queries(lambda: text(console, small))
    assert count_queries(lambda: text(console, large)) == few
    assert few <= 16


def test_a_fragment_holds_every_live_region(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=1, failed=1, pending=1)
    answer = console.get(f"/console/batches/{batch}/?fragment=1")
    page = answer.content.decode()
    assert b"<html" not in answer.content
    for region in ("cancel", "summary", "errors", "objects", "facts"):
        assert f'id="{region}"' in page


def test_the_command_to_copy_names_the_key_and_never_holds_it(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch()
    page = text(console, batch)
    assert f"curl http://testserver/v1/batches/{batch} -H &quot;Authorization: Bearer $API_KEY&quot;" in page

import html
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import Batch, BatchError, BatchMinute, BatchObject, Role
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.lifecycle.fail import fail
from batches.services.tally.error_groups import record_errors, recount_groups
from providers.failures import Kind
from tests.console.conftest import MakeBatch, SignIn


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
    told = {BatchStatus.FAILED: "The input was not valid.", BatchStatus.IN_PROGRESS: "0 of 0 requests have finished."}
    assert (told | {BatchStatus.COMPLETED: "succeeded."}).get(status, status.sentence) in page


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
    assert "Retry may help" in page
    assert "Retry will not help" in page
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
    assert '<span class="badge warn">Rate-limited</span>' in page
    assert "429 from the upstream" in page
    assert f"{until:%H:%M:%S} UTC" in page


def test_a_stalled_batch_has_no_eta_and_a_moving_one_has(console: Client, make_batch: MakeBatch) -> None:
    stalled = make_batch(BatchStatus.IN_PROGRESS, pending=10, created_at=timezone.now() - timedelta(hours=1))
    moving = make_batch(BatchStatus.IN_PROGRESS, succeeded=10, pending=10, created_at=timezone.now() - timedelta(hours=1))
    assert console.get(f"/console/batches/{stalled}/").context["pace"].done_at is None
    minute = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=2)
    BatchMinute.objects.create(batch=moving, minute=minute, succeeded=7, failed=3)
    BatchMinute.objects.create(batch=moving, minute=minute - timedelta(minutes=30), succeeded=500)
    context = console.get(f"/console/batches/{moving}/").context
    pace = context["pace"]
    assert 10 / 6 <= pace.per_minute <= 10 / 5, "ten in the last five to six minutes"
    assert timedelta(minutes=4) < pace.done_at - timezone.now() < timedelta(minutes=6.5)
    assert not pace.late
    assert context["spark"].values[-2:] == [10, 0]
    assert context["spark"].values[0] == 500
    Batch.objects.filter(pk=moving.pk).update(expires_at=timezone.now() + timedelta(minutes=1))
    assert "(late at its pace)" in text(console, moving)


def test_the_timeline_tells_who_did_what(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    console.post(f"/console/batches/{batch}/cancel/", {"reason": "Wrong <model>."})
    page = text(console, batch)
    assert "user operator · console" in page
    assert "Wrong &lt;model&gt;." in page


def test_the_number_of_queries_does_not_grow_with_the_objects(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    small = make_batch(BatchStatus.IN_PROGRESS, succeeded=1, failed=1, pending=1)
    large = make_batch(BatchStatus.IN_PROGRESS, succeeded=4, failed=40, pending=400)
    few = count_queries(lambda: text(console, small))
    assert count_queries(lambda: text(console, large)) == few
    assert few <= 24


def test_a_fragment_holds_every_live_region(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=1, failed=1, pending=1)
    answer = console.get(f"/console/batches/{batch}/?fragment=1")
    page = answer.content.decode()
    assert b"<html" not in answer.content
    for region in ("acts", "cancel", "summary", "errors", "objects", "facts"):
        assert f'id="{region}"' in page


def test_the_command_to_copy_names_the_key_and_never_holds_it(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch()
    page = text(console, batch)
    assert f"curl http://testserver/v1/batches/{batch} -H &quot;Authorization: Bearer $API_KEY&quot;" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"paused_at": timezone.now(), "paused_by": "user ops", "paused_reason": "Not <now>."},
            "Paused by user ops. Not &lt;now&gt;.",
        ),
        ({}, "Why it waits:</b> No execute worker is running."),
    ],
)
def test_why_it_waits_is_said_in_words(console: Client, make_batch: MakeBatch, changes: dict[str, object], words: str) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1, created_at=timezone.now() - timedelta(minutes=1))
    Batch.objects.filter(pk=batch.pk).update(**changes)
    assert words in text(console, batch)
    assert "Why it waits:" not in text(console, make_batch(succeeded=1))


def test_latency_is_drawn_of_a_sample_that_is_spread_over_the_batch(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=4)
    for line, latency_ms in enumerate((40, 240, 1900, 70_000), start=1):
        BatchObject.objects.filter(batch=batch, line=line).update(latency_ms=latency_ms)
    found = console.get(f"/console/batches/{batch}/").context["latency"]
    assert found.words == "Half within 1.9 s, 95 % within 1 min 10 s."
    assert not found.is_sample
    assert [place.label for place in found.chart.places][0::10] == ["≤ 50 ms", "> 1 min 0 s"]
    Batch.objects.filter(pk=batch.pk).update(total=1000, succeeded=1000)
    assert console.get(f"/console/batches/{batch}/").context["latency"].is_sample
    assert console.get(f"/console/batches/{make_batch(BatchStatus.IN_PROGRESS, pending=2)}/").context["latency"] is None


def test_usage_cost_and_guards_are_told(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    used = {"input_tokens": 1200, "output_tokens": 34, "cost_nanos": 1_234_567_890, "unpriced": 3}
    Batch.objects.filter(pk=batch.pk).update(**used, max_error_rate=0.2, max_cost="12.5")
    type(batch.provider).objects.update(max_tokens=5000)
    page = text(console, batch)
    assert "1.2346 USD" in page
    assert "3 requests without a price" in page
    assert "Failures above 20 %, after 100 finished requests" in page
    assert "Cost above 12.5 USD" in page
    assert "Tokens above 5,000 <span" in page


def test_a_retry_and_what_it_retries_lead_to_each_other(console: Client, make_batch: MakeBatch) -> None:
    first, retry = make_batch(remark="First", succeeded=1, failed=1), make_batch(remark="Again", succeeded=1)
    Batch.objects.filter(pk=retry.pk).update(parent=first)
    BatchObject.objects.filter(batch=retry).update(custom_id="a-2")
    for batch, other in ((first, retry), (retry, first)):
        page = text(console, batch)
        assert f'href="/console/batches/{other}/"' in page
        lines = b"".join(console.get(f"/console/batches/{batch}/export/?scope=lineage").streaming_content)  # type: ignore[attr-defined]
        assert lines.count(b"\n") == 2
        assert lines.count(b'"status_code":200') == 2
    assert "scope=lineage" not in text(console, make_batch(succeeded=1))


def test_the_history_has_the_timeline_and_who_was_refused(console: Client, member: SignIn, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    member(Role.VIEWER).post(f"/console/batches/{batch}/cancel/")
    console.post(f"/console/batches/{batch}/pause/", {"reason": "<b>Stop</b>"})
    page = console.get(f"/console/batches/{batch}/history/").content.decode()
    assert "user viewer of acme" in page
    assert "Cancel batch" in page
    assert ">Refused<" in page
    assert "&lt;b&gt;Stop&lt;/b&gt;" in page
    assert page.index("<b>Created") < page.index("<b>In progress") < page.index("<b>Paused")


@pytest.mark.parametrize(
    ("dialect", "words"),
    [("openai", '"request_counts"'), ("bifrost", '"done": true'), ("novita", '"COMPLETED"'), ("native", '"links"')],
)
def test_a_batch_is_shown_as_each_dialect_has_it(console: Client, make_batch: MakeBatch, dialect: str, words: str) -> None:
    batch = make_batch(succeeded=2, remark="<script>")
    page = html.unescape(console.get(f"/console/batches/{batch}/faces/?as={dialect}").content.decode())
    assert words in page
    assert "$API_KEY" in page


def test_a_face_shows_just_what_its_api_answers(console: Client, client: Client, key: str, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    answer = console.get(f"/console/batches/{batch}/faces/")
    theirs = Client().get(answer.context["path"], headers={"Authorization": f"Bearer {key}"})
    assert json.loads(answer.context["document"].text) == theirs.json()


def test_a_face_that_cannot_show_the_batch_says_why(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    address = f"/console/batches/{batch}/faces/"
    assert "It shows batches of /v1/messages only." in console.get(f"{address}?as=anthropic").content.decode()
    assert "accounting records only" in console.get(f"{address}?as=merge").content.decode()
    assert console.get(f"{address}?as=%00nonsense").context["face"].dialect == "openai"
    Batch.objects.filter(pk=batch.pk).update(deleted_at=timezone.now())
    assert "A client deleted the batch" in console.get(address).content.decode()


def test_a_bulk_write_of_many_objects_is_not_shown_whole(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=2)
    address = f"/console/batches/{batch}/faces/?as=merge"
    Batch.objects.filter(pk=batch.pk).update(endpoint="/accounting/v1/invoices")
    assert "SUCCESS" in console.get(address).content.decode()
    assert "$ACCOUNT_TOKEN" in console.get(address).content.decode()
    Batch.objects.filter(pk=batch.pk).update(total=5000, succeeded=5000)
    assert "each of its 5,000 requests" in console.get(address).content.decode()


def test_a_paused_batch_promises_no_end(console: Client, make_batch: MakeBatch) -> None:
    """O7"""
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=10, pending=10)
    BatchMinute.objects.create(batch=batch, minute=timezone.now().replace(second=0, microsecond=0), succeeded=10)
    assert "Expected end" in text(console, batch)
    Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now())
    assert "Expected end" not in text(console, batch)

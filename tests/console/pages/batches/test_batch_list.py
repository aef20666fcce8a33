from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import Batch, Project
from batches.rules import identifiers
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch

LIST = "/console/batches/"


def text(client: Client, query: str = "") -> str:
    answer = client.get(f"{LIST}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("status", BatchStatus)
def test_a_batch_of_every_status_is_listed(console: Client, make_batch: MakeBatch, status: BatchStatus) -> None:
    batch = make_batch(status, remark="Nightly run")
    page = text(console)
    assert "Nightly run" in page
    assert str(batch) in page


def test_an_empty_portal_says_how_to_send_the_first_batch(console: Client) -> None:
    page = text(console)
    assert "No batches yet" in page
    assert "curl http://testserver/v1/files" in page
    assert "$API_KEY" in page


def test_no_match_names_the_filters_and_offers_to_clear_them(console: Client, make_batch: MakeBatch) -> None:
    make_batch(remark="Nightly run")
    page = text(console, "?status=cancelled&model=gpt")
    assert "No batch matches" in page
    assert "Nightly run" not in page
    assert "<b>Cancelled</b>" in page
    assert "<b>gpt</b>" in page


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?colour=red", "There is no filter “colour”."),
        ("?status=finished", "The filter “status” does not take “finished”"),
        ("?status=failed&status=finished", "The filter “status” does not take “failed”, “finished”"),
        ("?project=nobody", "The filter “project” does not take “nobody”"),
        ("?created=24h&created=7d", "The filter “created” is given more than once."),
        ("?created=yesterday", "The filter “created” does not take “yesterday”"),
        ("?created_from=the+first", "The filter “created_from” does not take “the first”"),
        ("?created_from=0001-01-01T00:00:00%2B14:00", "The filter “created_from” does not take"),
        ("?created_to=9999-12-31T23:59:59-14:00", "The filter “created_to” does not take"),
        ("?has_errors=perhaps", "The filter “has_errors” does not take “perhaps”"),
        ("?view=mine", "The filter “view” does not take “mine”"),
        ("?text=%00", "The filter “text” does not take"),
        ("?after=page2", "The address names a page that does not exist."),
        ("?after=999999999999999999-" + "0" * 32, "The address names a page that does not exist."),
        ("?after=1-" + "0" * 32 + "&before=1-" + "0" * 32, "A page is either behind or before"),
    ],
)
def test_a_filter_that_is_not_understood_is_said_and_matches_nothing(
    console: Client, make_batch: MakeBatch, query: str, message: str
) -> None:
    make_batch(remark="Nightly run")
    page = text(console, query)
    assert "nothing is shown" in page
    assert message in page
    assert "Nightly run" not in page


def test_several_statuses_widen_and_other_filters_narrow(console: Client, make_batch: MakeBatch, other_project: Project) -> None:
    make_batch(BatchStatus.COMPLETED, remark="One")
    make_batch(BatchStatus.CANCELLED, remark="Two")
    make_batch(BatchStatus.IN_PROGRESS, remark="Three")
    make_batch(BatchStatus.COMPLETED, remark="Elsewhere", of=other_project)
    page = text(console, "?status=completed&status=cancelled&project=acme")
    assert [word in page for word in ("One", "Two", "Three", "Elsewhere")] == [True, True, False, False]


@pytest.mark.parametrize("form", ["batch_{hex}", "msgbatch_{hex}", "{dashed}", "batch_{start}", "{start}"])
def test_a_batch_is_found_by_its_id_in_any_form(console: Client, make_batch: MakeBatch, form: str) -> None:
    make_batch(remark="Another", created_at=timezone.now() - timedelta(days=30))
    batch = make_batch(remark="The one")
    query = form.format(hex=batch.id.hex, dashed=batch.id, start=batch.id.hex[:10])
    page = text(console, f"?text={query}&created=24h")
    assert "The one" in page


def test_the_start_of_an_id_does_not_find_other_ids(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(remark="The one")
    other = "f" + batch.id.hex[1:10]
    assert "The one" not in text(console, f"?text={other}")


def test_a_batch_is_found_by_words_of_its_remark(console: Client, make_batch: MakeBatch) -> None:
    make_batch(remark="Nightly run")
    make_batch(remark="Other")
    page = text(console, "?text=NIGHT")
    assert "Nightly run" in page
    assert "Other" not in page


def test_the_views_show_what_they_say(console: Client, make_batch: MakeBatch) -> None:
    now = timezone.now()
    make_batch(BatchStatus.IN_PROGRESS, remark="Runs", pending=1)
    make_batch(BatchStatus.COMPLETED, remark="Perfect", succeeded=1)
    make_batch(BatchStatus.COMPLETED, remark="Partial", succeeded=1, failed=1)
    make_batch(BatchStatus.EXPIRED, remark="Too late", created_at=now - timedelta(days=2))
    make_batch(BatchStatus.IN_PROGRESS, remark="Past its day", pending=1, created_at=now - timedelta(days=3))
    names = ("Runs", "Perfect", "Partial", "Too late", "Past its day")

    def shown(view: str) -> list[str]:
        page = text(console, f"?view={view}")
        return [name for name in names if name in page]

    assert shown("active") == ["Runs", "Past its day"]
    assert shown("attention") == ["Partial", "Too late", "Past its day"]
    assert shown("hour") == ["Runs", "Perfect", "Partial"]


def test_errors_of_a_batch_that_still_runs_are_found_too(console: Client, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.IN_PROGRESS, remark="Trouble", failed=1, pending=1)
    make_batch(BatchStatus.IN_PROGRESS, remark="Smooth", succeeded=1, pending=1)
    assert "Trouble" in text(console, "?has_errors=yes")
    assert "Smooth" not in text(console, "?has_errors=yes")
    assert "Smooth" in text(console, "?has_errors=no")
    assert "Trouble" not in text(console, "?has_errors=no")


def test_pages_lead_back_and_forth_without_gap_or_repeat(console: Client, make_batch: MakeBatch) -> None:
    made = [make_batch(created_at=timezone.now() - timedelta(minutes=number // 3)) for number in range(120)]
    seen: list[Batch] = []
    query = ""
    for _ in range(3):
        answer = console.get(f"{LIST}{query}")
        seen += [row.batch for row in answer.context["rows"]]
        query = f"?after={answer.context['page'].forward}"
    assert query == "?after=None"
    assert sorted(seen, key=lambda batch: (batch.created_at, batch.id), reverse=True) == seen
    assert {batch.id for batch in seen} == {batch.id for batch in made}

    back = console.get(f"{LIST}?before={answer.context['page'].back}")
    assert [row.batch for row in back.context["rows"]] == seen[50:100]
    assert back.context["count"] == "120"


def test_a_partial_success_is_never_plain_green(console: Client, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.COMPLETED, succeeded=5, failed=2)
    page = text(console)
    assert '<span class="badge warn">Completed with 2 failed</span>' in page
    assert "7 of 7 · 2 failed" in page


def test_the_simulator_is_labelled(console: Client, make_batch: MakeBatch) -> None:
    make_batch()
    assert ">simulator</span>" in text(console)


def test_the_number_of_queries_does_not_grow_with_the_rows(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    make_batch(BatchStatus.COMPLETED, succeeded=1)
    few = count_queries(lambda: text(console))
    for _ in range(10):
        make_batch(BatchStatus.IN_PROGRESS, pending=1)
        make_batch(BatchStatus.COMPLETED, failed=1)
    assert count_queries(lambda: text(console)) == few
    assert few <= 12


def test_a_fragment_is_the_region_alone_and_is_not_sent_twice(console: Client, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.IN_PROGRESS, remark="Runs", pending=1)
    first = console.get(LIST, headers={"X-Requested-With": "fragment"})
    assert "Runs" in first.content.decode()
    assert b"<html" not in first.content
    again = console.get(LIST, headers={"X-Requested-With": "fragment", "If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_only_a_list_with_open_batches_refreshes_itself(console: Client, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.COMPLETED)
    assert "data-live=" not in text(console)
    make_batch(BatchStatus.IN_PROGRESS)
    assert "data-live=" in text(console)


def test_the_remark_is_text_and_never_markup(console: Client, make_batch: MakeBatch) -> None:
    make_batch(remark="<script>alert(1)</script>\u202egnp.exe")
    page = text(console)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩gnp.exe" in page


def test_the_list_names_ids_as_the_api_does(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch()
    assert f"<code>{identifiers.render('batch_', batch.id)}</code>" in text(console)

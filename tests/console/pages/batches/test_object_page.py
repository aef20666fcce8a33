import json

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import Attempt, Batch, BatchObject, Role
from batches.rules.states import BatchStatus
from batches.services.storage.store import hide
from providers.models import Provider
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, SignIn


def text(client: Client, batch: Batch, line: int = 1, query: str = "") -> str:
    answer = client.get(f"/console/batches/{batch}/lines/{line}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def line_with(body: str) -> bytes:
    return f'{{"custom_id": "a-1", "method": "POST", "url": "/v1/chat/completions", "body": {body}}}\n'.encode()


def test_an_object_shows_its_request_and_its_answer(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=2, body='{"answer":{"text":"forty-two"}}')
    page = text(console, batch, 2)
    assert "&quot;messages&quot;: [\n    2\n  ]" in page
    assert "&quot;answer&quot;: {\n    &quot;text&quot;: &quot;forty-two&quot;" in page


def test_large_numbers_keep_every_digit(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, lines=line_with('{"seed": 9007199254740993, "x": 1.10}'), body='{"n":1e400}')
    page = text(console, batch)
    assert "9007199254740993" in page
    assert "1.10" in page
    assert "1e400" in page


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("</pre><img src=x>", "&lt;/pre&gt;&lt;img src=x&gt;"),
        ("\u202etxt.exe", "⟨U+202E⟩txt.exe"),
        ("🙃 مرحبا", "🙃 مرحبا"),
        ("\x7f", "⟨U+007F⟩"),
        ("pay\u00adpal", "pay⟨U+00AD⟩pal"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_hostile_text_is_shown_and_not_obeyed(console: Client, make_batch: MakeBatch, hostile: str, shown: str) -> None:
    document = json.dumps({"content": hostile}, ensure_ascii=False)
    batch = make_batch(succeeded=1, lines=line_with(document), body=document)
    BatchObject.objects.filter(batch=batch).update(custom_id=hostile)
    page = text(console, batch)
    assert page.count(shown) >= 3
    if "<" in hostile:
        assert hostile not in page


def test_an_escaped_nul_stays_escaped(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, lines=line_with('{"content": "a\\u0000b"}'))
    assert "a\\u0000b" in text(console, batch)


def test_a_megabyte_is_cut_and_can_be_had_whole(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, lines=line_with('{"content": "' + "x" * 1_000_000 + 'END"}'))
    page = text(console, batch)
    assert len(page) < 250_000
    assert "END&quot;" not in page
    assert "Show all" in page
    assert "END&quot;" in text(console, batch, query="?full=request")


def test_a_request_that_is_no_longer_kept_says_so(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    assert batch.input_file is not None
    batch.input_file.content.storage.delete(str(batch.input_file.content.name))
    page = text(console, batch)
    assert "no longer kept" in page
    assert "Copy as curl" not in page


def test_a_command_names_the_upstream_to_whoever_may_know_its_address(
    console: Client, member: SignIn, make_batch: MakeBatch
) -> None:
    batch = make_batch(succeeded=1)
    Provider.objects.update(base_url="https://gateway.example/v1")
    assert "curl https://gateway.example/v1/chat/completions -H" in text(console, batch)
    theirs = text(member(Role.ADMIN), batch)
    assert "curl &quot;$BASE_URL&quot;/chat/completions -H" in theirs
    assert "gateway.example" not in theirs


def test_every_attempt_is_told_in_order(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    for number, kind in ((2, "timeout"), (1, "rate_limited")):
        Attempt.objects.create(
            batch=batch,
            line=1,
            round=1,
            number=number,
            kind=kind,
            answered=False,
            message=f"Trouble {number}",
            latency_ms=1500,
            retry_at=timezone.now(),
            created_at=timezone.now(),
        )
    batch.results.update(attempts=3)
    answer = console.get(f"/console/batches/{batch}/lines/1/")
    assert [attempt.number for attempt in answer.context["tries"]] == [1, 2, 3]
    assert [attempt.succeeded for attempt in answer.context["tries"]] == [False, False, True]
    assert "The upstream asked to slow down." in answer.content.decode()


def test_a_cancellation_is_not_told_as_an_attempt(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(failed=2)
    batch.results.filter(line=1).update(attempts=0, error_code="batch_cancelled")
    batch.results.filter(line=2).update(attempts=1, error_code="batch_cancelled")
    now = timezone.now()
    Attempt.objects.create(
        batch=batch, line=2, round=1, number=1, kind="timeout", answered=False, latency_ms=9, retry_at=now, created_at=now
    )
    assert console.get(f"/console/batches/{batch}/lines/1/").context["tries"] == []
    assert len(console.get(f"/console/batches/{batch}/lines/2/").context["tries"]) == 1


def test_a_failed_object_says_why(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(failed=1, body="")
    page = text(console, batch)
    assert "The upstream failed." in page
    assert "There was no answer." in page


def test_an_object_that_waits_has_no_answer_yet(console: Client, make_batch: MakeBatch) -> None:
    page = text(console, make_batch(BatchStatus.IN_PROGRESS, pending=1))
    assert "None yet." in page
    assert "The request has not been sent yet." in page


def test_an_object_that_never_ran_says_why(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    BatchObject.objects.filter(batch=batch).update(status="cancelled", settled_at=timezone.now())
    assert "The batch was cancelled before this request ran." in text(console, batch)


def test_objects_lead_to_their_neighbours(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=3)
    context = console.get(f"/console/batches/{batch}/lines/2/").context
    assert (context["previous"], context["next"]) == (1, 3)
    context = console.get(f"/console/batches/{batch}/lines/3/").context
    assert (context["previous"], context["next"]) == (2, None)


def test_a_deleted_input_is_not_shown_once_its_bytes_are_gone(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    assert batch.input_file is not None
    hide(batch.input_file, actor=TESTER, now=timezone.now())
    type(batch.input_file).objects.filter(pk=batch.input_file.pk).update(purged_at=timezone.now())
    assert "no longer kept" in text(console, batch)

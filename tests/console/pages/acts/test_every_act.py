"""What operators do: start a batch, cancel one, download."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, File, Project
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from batches.services.storage.store import hide
from providers.models import Provider
from tests.cast import TESTER
from tests.console.conftest import MakeBatch

NEW = "/console/batches/new/"
CONTENT = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": []}}\n'


@pytest.fixture
def form(project: Project, simulator: Provider) -> dict[str, Any]:
    return {
        "project": "acme",
        "endpoint": "/v1/chat/completions",
        "provider": "simulator",
        "window": "24h",
        "remark": "From the browser",
        "metadata_key": ["team", ""],
        "metadata_value": ["search", ""],
        "file": SimpleUploadedFile("requests.jsonl", CONTENT),
    }


def test_a_batch_is_started_from_the_browser(console: Client, form: dict[str, Any]) -> None:
    report = console.post(NEW, form).headers["Location"]
    assert "Ready to start" in console.get(report).content.decode()
    assert not Batch.objects.exists()
    answer = console.post(report)
    batch = Batch.objects.get()
    assert answer.headers["Location"] == f"/console/batches/{batch}/"
    assert batch.status == BatchStatus.VALIDATING
    assert batch.remark == "From the browser"
    assert batch.metadata == {"team": "search"}
    assert batch.provider.name == "simulator"
    assert batch.created_by == "user operator"
    assert batch.expires_at - batch.created_at == timedelta(hours=24)
    assert batch.input_file is not None
    assert batch.input_file.content.read() == CONTENT
    batch.input_file.content.close()
    assert batch.events.get().source == "console"


def test_the_default_provider_is_chosen_beforehand(console: Client, form: dict[str, Any]) -> None:
    page = console.get(NEW).content.decode()
    assert '<option value="simulator" selected>simulator (simulator)</option>' in page


def test_only_providers_granted_to_the_project_are_on_offer(
    console: Client, form: dict[str, Any], other_project: Project
) -> None:
    private = Provider.objects.create(name="private", adapter="simulator", granted_to_all=False)
    private.grants.create(project=other_project)
    assert "private" not in console.get(f"{NEW}?project=acme").content.decode()
    assert "private" in console.get(f"{NEW}?project=globex").content.decode()
    answer = console.post(NEW, form | {"provider": "private"})
    assert answer.status_code == 422
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"file": None}, "file", "Choose a file with one request a line, or paste the lines."),
        ({"file": SimpleUploadedFile("a.jsonl", b"")}, "file", "The file is empty."),
        ({"project": "nobody"}, "project", "Select a valid choice."),
        ({"endpoint": "/v2/nothing"}, "endpoint", "Select a valid choice."),
        ({"window": "1y"}, "window", "Give a time such as 90m, 24h or 7d"),
        ({"window": "8d"}, "window", "Give a time such as 90m, 24h or 7d"),
        ({"priority": "101"}, "priority", "less than or equal to 100"),
        ({"max_error_rate": "nan"}, "max_error_rate", "Enter a number"),
        ({"max_cost": "-1"}, "max_cost", "greater than or equal to 0"),
        ({"remark": "x" * 501}, "remark", "Ensure this value has at most 500 characters"),
        ({"metadata_key": ["a", "a"], "metadata_value": ["1", "2"]}, "__all__", "A metadata key is given twice."),
        ({"metadata_key": [""], "metadata_value": ["1"]}, "__all__", "A metadata key has 1 to 64 characters"),
        ({"metadata_key": [str(n) for n in range(17)], "metadata_value": ["1"] * 17}, "__all__", "may have 16 pairs"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_kept(
    console: Client, form: dict[str, Any], change: dict[str, Any], field: str, message: str
) -> None:
    data = {name: value for name, value in (form | change).items() if value is not None}
    answer = console.post(NEW, data)
    assert 400 <= answer.status_code < 500
    assert message in " ".join(answer.context["form"].errors[field])
    assert not Batch.objects.exists()
    assert not File.objects.exists()


def test_a_body_over_the_limit_is_refused(console: Client, form: dict[str, Any], settings: Settings) -> None:
    settings.MAX_BATCH_FILE_BYTES = 1000
    form["file"] = SimpleUploadedFile("a.jsonl", b"x" * 300_000)
    answer = console.post(NEW, form)
    assert answer.status_code == 413
    assert "larger than" in answer.content.decode()
    form["file"] = SimpleUploadedFile("a.jsonl", b"x" * 1001)
    assert console.post(NEW, form).status_code == 413
    assert not File.objects.exists()


def test_acts_need_a_token_of_the_form(operator: object, form: dict[str, Any], make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)  # type: ignore[arg-type]
    assert client.post(NEW, form).status_code == 403
    assert client.post(f"/console/batches/{batch}/cancel/").status_code == 403
    batch.refresh_from_db()
    assert batch.status == BatchStatus.IN_PROGRESS


def test_a_batch_is_cancelled_after_a_question(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=1, pending=2)
    page = console.get(f"/console/batches/{batch}/cancel/").content.decode()
    assert "Requests that have not run will not be sent." in page
    answer = console.post(f"/console/batches/{batch}/cancel/", {"reason": "Wrong file"}, follow=True)
    assert "The batch is being cancelled." in answer.content.decode()
    batch.refresh_from_db()
    assert batch.status == BatchStatus.CANCELLING
    event = batch.events.get(to_status=BatchStatus.CANCELLING)
    assert (event.actor, event.source, event.note) == ("user operator", "console", "Wrong file")


def test_cancelling_what_is_over_changes_nothing_and_says_so(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.COMPLETED, succeeded=1)
    asked = console.get(f"/console/batches/{batch}/cancel/", follow=True)
    assert "This batch is completed and can no longer be changed." in asked.content.decode()
    answer = console.post(f"/console/batches/{batch}/cancel/", follow=True)
    assert "Cannot cancel a batch with status" in answer.content.decode()
    batch.refresh_from_db()
    assert batch.status == BatchStatus.COMPLETED


def test_cancelling_twice_is_one_cancellation(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    for _ in range(2):
        assert console.post(f"/console/batches/{batch}/cancel/").status_code == 302
    assert batch.events.filter(to_status=BatchStatus.CANCELLING).count() == 1


def test_the_input_is_downloaded_as_it_was(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, lines=CONTENT)
    answer = console.get(f"/console/batches/{batch}/files/input/")
    assert b"".join(answer) == CONTENT
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{batch}_input.jsonl"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer.close()


@pytest.mark.parametrize("how", ["deleted", "expired", "lost"])
def test_a_file_that_is_no_longer_kept_is_said_to_be_gone(console: Client, make_batch: MakeBatch, how: str) -> None:
    batch = make_batch(succeeded=1)
    file = batch.input_file
    assert file is not None
    if how == "deleted":
        hide(file, actor=TESTER, now=timezone.now())
    elif how == "expired":
        File.objects.filter(pk=file.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    else:
        file.content.storage.delete(str(file.content.name))
    answer = console.get(f"/console/batches/{batch}/files/input/")
    assert answer.status_code == 410
    assert "no longer kept" in answer.content.decode()


def test_results_so_far_are_named_partial_and_hold_what_has_settled(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=2, failed=1, pending=4)
    answer = console.get(f"/console/batches/{batch}/export/")
    lines = [json.loads(line) for line in b"".join(answer).splitlines()]
    assert [line["custom_id"] for line in lines] == ["a-1", "a-2", "a-3"]
    assert f"{batch}_results_partial.jsonl" in answer.headers["Content-Disposition"]


def test_results_of_a_batch_that_ended_are_not_partial(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.FINALIZING, succeeded=2)
    transition(batch, BatchStatus.COMPLETED, actor=ENGINE, now=timezone.now(), total=2, succeeded=2)
    answer = console.get(f"/console/batches/{batch}/export/")
    assert len(b"".join(answer).splitlines()) == 2
    assert f"{batch}_results.jsonl" in answer.headers["Content-Disposition"]

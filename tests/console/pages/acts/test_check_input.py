"""The report on an input, before anything is sent; a batch cloned."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from django.utils.http import urlencode
from pytest_django import Settings

from batches.console.kit.guards import guard_fields
from batches.models import Batch, File, Project, Purpose, Role
from batches.services.intake.drafts import LIFETIME
from batches.services.policy.guards import GUARDS
from batches.services.upkeep.prune import prune
from providers.models import Provider, ProviderModel
from tests.cast import request_line, request_lines, stored
from tests.console.conftest import SignIn

NEW = "/console/batches/new/"
ABOUT = {"project": "acme", "endpoint": "/v1/chat/completions", "provider": "simulator", "window": "24h"}


@pytest.fixture
def uploaded(console: Client, project: Project, simulator: Provider) -> Any:
    """Uploads an input and tells the address of its report."""

    def upload(content: bytes, **about: str) -> str:
        answer = console.post(NEW, {**ABOUT, **about, "file": SimpleUploadedFile("requests.jsonl", content)})
        assert answer.status_code == 302, answer.content.decode()
        return str(answer.headers["Location"])

    return upload


def findings(client: Client, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.context["findings"]


def test_a_good_input_is_reported_with_what_it_will_be(console: Client, uploaded: Any) -> None:
    page = console.get(uploaded(request_lines(3), remark="Nightly", priority="5", max_cost="1.5")).content.decode()
    for said in (
        "Ready to start",
        "requests.jsonl",
        "Nightly",
        "max_cost",
        "not known",
        "simulator",
        "Start the batch",
        "Discard",
    ):
        assert said in page
    assert not Batch.objects.exists()


def test_every_bad_line_is_counted_and_the_first_are_shown(console: Client, uploaded: Any) -> None:
    same = request_line("same")
    address = uploaded(same + b"not json\n" + same + request_line("x", endpoint="/v1/embeddings") + b"{}\n" * 100)
    found = findings(console, address)
    assert found.requests == 104
    assert found.count == 103
    assert (found.codes["duplicate_custom_id"], found.codes["invalid_json_line"], found.codes["url_mismatch"]) == (1, 1, 1)
    answer = console.get(address)
    page = answer.content.decode()
    assert "Not ready: 103 problems" in page
    assert "The first 50 of 103 are shown." in page
    assert len(answer.context["problems"]) == 50
    assert "Start the batch" not in page


def test_tokens_and_cost_are_estimated_where_they_can_be_known(console: Client, uploaded: Any, simulator: Provider) -> None:
    priced = {"input_price": Decimal(2), "output_price": Decimal(8)}
    ProviderModel.objects.create(provider=simulator, name="m", **priced)
    bounded = uploaded(b"".join(request_line(f"a-{number}", max_tokens=10) for number in range(4)))
    estimate = findings(console, bounded).estimate
    assert estimate.output_tokens == 40
    assert estimate.cost is not None
    assert "at most about" in console.get(bounded).content.decode()
    unbounded = uploaded(request_line("a"))
    assert findings(console, unbounded).estimate.cost is None
    assert "Some requests set no limit to their answer." in console.get(unbounded).content.decode()
    foreign = uploaded(request_line("a", model="other", max_tokens=1))
    assert "The provider has no price for at least one of the models." in console.get(foreign).content.decode()


def test_an_answer_given_twice_starts_one_batch(console: Client, uploaded: Any) -> None:
    address = uploaded(request_lines(1))
    asked = console.get(address).context["asked"].isoformat()
    places = {console.post(address, {"asked": asked}).headers["Location"] for _ in range(2)}
    assert places == {f"/console/batches/{Batch.objects.get()}/"}


def test_another_answer_over_the_same_input_starts_another_batch(console: Client, uploaded: Any) -> None:
    first = uploaded(request_lines(1))
    asked = console.get(first).context["asked"].isoformat()
    for address in (first, f"{first}&remark=other", f"{first}&remark=other"):
        assert console.post(address, {"asked": asked}).status_code == 302
    assert sorted(Batch.objects.values_list("remark", flat=True)) == ["", "other"]


@pytest.mark.parametrize(
    "asked",
    [
        *("", "soon", "0001-01-01T00:00:00", "9999-99-99", "\x00"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"),
    ],
)
def test_when_the_report_was_made_may_be_said_wrongly(console: Client, uploaded: Any, asked: str) -> None:
    assert console.post(uploaded(request_lines(1)), {"asked": asked}).status_code == 302
    assert Batch.objects.count() == 1


def test_what_was_started_lives_as_long_as_other_inputs(console: Client, uploaded: Any, settings: Settings) -> None:
    address = uploaded(request_lines(1))
    file = File.objects.get()
    assert file.expires_at == file.created_at + LIFETIME
    console.post(address)
    file.refresh_from_db()
    assert file.expires_at is not None
    assert file.expires_at > timezone.now() + timedelta(seconds=settings.FILE_LIFETIME_SECONDS - 60)
    assert "Discard" not in console.get(address).content.decode()


def test_a_discarded_upload_leaves_nothing_behind(console: Client, uploaded: Any) -> None:
    address = uploaded(request_lines(1))
    file = File.objects.get()
    page = console.post(address.split("?")[0] + "discard/", follow=True).content.decode()
    assert "The upload was discarded." in page
    assert not File.objects.exists()
    assert not file.content.storage.exists(str(file.content.name))
    assert console.get(address).status_code == 404
    assert console.post(address).status_code == 404


def test_an_abandoned_upload_expires(console: Client, uploaded: Any) -> None:
    address = uploaded(request_lines(1))
    file = File.objects.get()
    later = timezone.now() + LIFETIME
    prune(now=later)
    assert not file.content.storage.exists(str(file.content.name))
    assert console.get(address).status_code == 404


def test_what_a_batch_uses_or_a_client_uploaded_is_not_discarded(console: Client, uploaded: Any, project: Project) -> None:
    address = uploaded(request_lines(1))
    console.post(address)
    clients = stored(project, request_lines(1))
    for file in (File.objects.exclude(pk=clients.pk).get(), clients):
        answer = console.post(f"{NEW}{file}/discard/", follow=True)
        assert "Nothing was discarded" in answer.content.decode()
    assert File.objects.count() == 2


def test_a_start_that_is_refused_says_why_and_starts_nothing(console: Client, uploaded: Any, project: Project) -> None:
    address = uploaded(request_lines(1))
    Project.objects.filter(pk=project.pk).update(max_open_batches=0)
    assert "Not ready: 1 problem" in console.get(address).content.decode()
    answer = console.post(address)
    assert answer.status_code == 429
    assert "may have 0 open batches" in answer.content.decode()
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "change", [{"window": "1y"}, {"provider": "gone"}, {"priority": "x"}, {"remark": "x" * 501}, {"endpoint": "\x00"}]
)
def test_an_address_that_makes_no_batch_leads_to_the_form(console: Client, uploaded: Any, change: dict[str, str]) -> None:
    path = uploaded(request_lines(1)).split("?")[0]
    for answer in (console.get(path, {**ABOUT, **change}), console.post(f"{path}?{urlencode({**ABOUT, **change})}")):
        assert answer.headers["Location"].startswith(f"{NEW}?")
        assert console.get(answer.headers["Location"]).status_code == 200
    assert not Batch.objects.exists()


def test_the_form_can_be_changed_without_another_upload(console: Client, uploaded: Any) -> None:
    report = console.get(uploaded(request_lines(1), remark="First thought"))
    page = console.get(report.context["form_address"])
    assert "First thought" in page.content.decode()
    kept = page.context["form"].kept
    answer = console.post(NEW, {**ABOUT, "remark": "Second thought", "input_file": str(kept)})
    console.post(answer.headers["Location"])
    batch = Batch.objects.get()
    assert (batch.remark, batch.input_file) == ("Second thought", kept)
    assert File.objects.count() == 1


def test_a_script_is_told_where_the_report_is(console: Client, project: Project, simulator: Provider) -> None:
    form = {**ABOUT, "file": SimpleUploadedFile("a.jsonl", request_lines(1))}
    answer = console.post(NEW, form, headers={"X-Requested-With": "fragment"})
    assert answer.status_code == 201
    assert console.get(answer.headers["Location"]).status_code == 200


def test_hostile_names_and_lines_are_shown_and_not_obeyed(console: Client, project: Project, simulator: Provider) -> None:
    line = json.dumps({"custom_id": "a", "method": "<script>\u202e", "url": "x" * 100_000, "body": {"model": "<b>"}}).encode()
    form = {**ABOUT, "remark": "<script>\u202e", "file": SimpleUploadedFile("<img>\u202e.jsonl", line + b"\n\x00\xff\n")}
    page = console.get(console.post(NEW, form).headers["Location"]).content.decode()
    assert "<script>\u202e" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;⟨U+202E⟩" in page
    assert len(page) < 100_000


def test_an_input_of_a_foreign_project_does_not_exist(
    member: SignIn, project: Project, other_project: Project, simulator: Provider
) -> None:
    file = stored(project, request_lines(1))
    stranger = member(Role.ADMIN, of=other_project)
    assert stranger.get(f"{NEW}{file}/").status_code == 404
    assert stranger.post(f"{NEW}{file}/").status_code == 404
    assert stranger.post(f"{NEW}{file}/discard/").status_code == 404
    page = stranger.post(NEW, {**ABOUT, "project": "globex", "input_file": str(file)})
    assert page.status_code == 422
    assert "Choose a file" in page.content.decode()
    assert File.objects.filter(pk=file.pk).exists()


def test_a_file_of_another_purpose_is_no_input(console: Client, project: Project, simulator: Provider) -> None:
    file = stored(project, request_lines(1))
    File.objects.update(purpose=Purpose.BATCH_OUTPUT)
    assert console.get(f"{NEW}{file}/").status_code == 404


def test_every_guard_has_its_field() -> None:
    assert tuple(guard_fields()) == GUARDS


def test_c12_the_report_offers_to_start_without_the_bad_lines_and_a_clone_keeps_the_choice(
    console: Client, uploaded: Any
) -> None:
    address = uploaded(request_lines(2) + b"nonsense\n", model="simulator/m")
    report = console.get(address)
    assert "Start without the 1 bad line<" in report.content.decode()
    assert "Start the batch" not in report.content.decode()
    assert console.post(address, {"asked": report.context["asked"].isoformat(), "skip": "1"}).status_code == 302
    batch = Batch.objects.get()
    assert (batch.on_invalid, batch.default_model) == ("skip", "m")
    form = console.get(f"{NEW}?from={batch}").context["form"]
    assert (form["on_invalid"].value(), form["model"].value()) == ("skip", "m")


def test_c12_the_report_says_that_a_batch_that_skips_bad_lines_may_start(console: Client, uploaded: Any) -> None:
    page = console.get(uploaded(request_lines(2) + b"nonsense\n" * 2, on_invalid="skip")).content.decode()
    assert "Ready to start without 2 bad lines" in page
    assert "Bad lines count as failed" in page
    assert "Not ready" not in page


def test_e4_an_input_that_cannot_be_read_now_is_a_finding(console: Client, uploaded: Any, settings: Settings) -> None:
    address = uploaded(request_lines(2))
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "not mounted"
    page = console.get(address).content.decode()
    assert "The input cannot be read at the moment" in page
    assert "Start the batch" not in page


def test_e4_the_problems_of_an_input_that_cannot_be_read_now_are_left_to_its_report(
    console: Client, uploaded: Any, settings: Settings
) -> None:
    address = uploaded(request_lines(2))
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "not mounted"
    answer = console.get(address.replace("?", "problems/?", 1))
    assert (answer.status_code, answer.headers["Location"]) == (302, address)


def test_e4_a_page_that_needs_the_storage_says_503_while_that_is_away(console: Client, uploaded: Any, settings: Settings) -> None:
    address = uploaded(request_lines(2))
    report = console.get(address)
    assert console.post(address, {"asked": report.context["asked"].isoformat()}).status_code == 302
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "not mounted"
    console.raise_request_exception = False
    answer = console.get(f"/console/batches/{Batch.objects.get()}/files/input/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "The file storage does not answer" in answer.content.decode()


def test_c12_nothing_is_offered_where_no_line_is_good(console: Client, uploaded: Any) -> None:
    page = console.get(uploaded(b"nonsense\n")).content.decode()
    assert "Start without" not in page
    assert "Start the batch" not in page

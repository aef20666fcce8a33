"""The problems of an input: filtered, with their lines, as CSV; a batch started without them; lines pasted, and a sample."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from batches.console.pages.acts.sample_input import sample_lines
from batches.models import AuditEntry, Batch, BatchError, File, OnInvalid, Project, Role
from batches.rules.lines.jsonl import read_lines
from batches.rules.lines.line_rules import LineChecker, LineRules
from batches.rules.states import BatchStatus
from providers.base import OPENAI_ENDPOINTS
from providers.models import Provider
from tests.cast import CHAT, request_line, request_lines
from tests.console.conftest import MakeBatch, SignIn

NEW = "/console/batches/new/"
ABOUT = {"project": "acme", "endpoint": CHAT, "provider": "simulator", "window": "24h"}
BAD = request_line("same") + b"not <b>json\n" + request_line("same") + request_line("x", endpoint="/v1/embeddings")


@pytest.fixture
def uploaded(console: Client, project: Project, simulator: Provider) -> str:
    """The address of the report on an input with three problems on three of its four lines."""
    answer = console.post(NEW, {**ABOUT, "file": SimpleUploadedFile("requests.jsonl", BAD)})
    return str(answer.headers["Location"])


def test_problems_are_told_with_the_number_of_lines_that_have_them(console: Client, uploaded: str) -> None:
    """O29: 549 problems of 300 lines, without the 300."""
    assert "Not ready: 3 problems on 3 of 4 lines" in console.get(uploaded).content.decode()


def test_the_text_of_a_bad_line_stands_beside_its_problem(console: Client, uploaded: str) -> None:
    """O29."""
    page = console.get(uploaded).content.decode()
    assert "not &lt;b&gt;json</code>" in page
    assert page.count("line-text") == 3


def test_counts_of_problems_are_filters(console: Client, uploaded: str) -> None:
    """O29."""
    page = console.get(uploaded).content.decode()
    [query] = re.findall(r'href="(\?[^"]*code=url_mismatch)#problems"', page)
    answer = console.get(uploaded.split("?")[0] + query.replace("&amp;", "&"))
    assert [problem.code for problem in answer.context["problems"]] == ["url_mismatch"]
    assert answer.context["findings"].count == 3
    assert "code=" not in answer.context["form_address"]
    assert "No problem has the code" in console.get(f"{uploaded}&code=nonsense").content.decode()


def test_a_filtered_report_still_starts_the_batch_without_its_bad_lines(console: Client, uploaded: str) -> None:
    address = f"{uploaded}&code=url_mismatch"
    assert "Start without the 3 bad lines" in console.get(address).content.decode()
    assert console.post(address, {"skip": "1"}).status_code == 302
    assert Batch.objects.get().on_invalid == OnInvalid.SKIP


def test_every_problem_is_in_the_csv_however_few_are_kept(console: Client, uploaded: str, settings: Settings) -> None:
    """O29."""
    settings.MAX_STORED_ERRORS = 1
    answer: Any = console.get(console.get(uploaded).context["problems_address"])
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert [(row["line"], row["code"]) for row in rows] == [
        ("2", "invalid_json_line"),
        ("3", "duplicate_custom_id"),
        ("4", "url_mismatch"),
    ]
    assert rows[0]["text"] == "not <b>json"


def test_lines_are_left_out_for_those_who_may_not_read_requests(member: SignIn, uploaded: str, settings: Settings) -> None:
    settings.BODIES_ROLE, settings.AUDIT_BODY_VIEWS = "admin", True
    operator = member(Role.OPERATOR)
    answer = operator.get(uploaded)
    assert "not &lt;b&gt;json" not in answer.content.decode()
    assert "your role may not read requests" in answer.content.decode()
    export: Any = operator.get(answer.context["problems_address"])
    assert b"not <b>json" not in b"".join(export.streaming_content)
    assert not AuditEntry.objects.exists()
    member(Role.ADMIN).get(uploaded)
    assert AuditEntry.objects.get().act == "check_input"


def test_a_failed_batch_leads_to_its_lines_and_to_a_start_without_them(console: Client, make_batch: MakeBatch) -> None:
    """O29: the page of the batch had no lines, no filter, and no way on but a new upload."""
    batch = make_batch(BatchStatus.FAILED, lines=BAD)
    BatchError.objects.create(
        batch=batch, line=1, code="url_mismatch", message="Not this one.", created_at=batch.created_at, fingerprint="v1:x"
    )
    Batch.objects.filter(pk=batch.pk).update(error_count=2)
    page = console.get(f"/console/batches/{batch}/").content.decode()
    assert "2 problems, on 1 line." in page
    chosen = console.get(f"/console/batches/{batch}/?problem=url_mismatch")
    assert [error.code for error in chosen.context["validation_errors"]] == ["url_mismatch"]
    [address] = re.findall(r'href="([^"]*)"[^>]*>[^<]*<svg[^>]*><use[^>]*></use></svg> See the lines or', page)
    assert "Start without the 3 bad lines" in console.get(address.replace("&amp;", "&")).content.decode()


def test_lines_can_be_pasted_instead_of_a_file(console: Client, project: Project, simulator: Provider) -> None:
    """O29."""
    answer = console.post(NEW, {**ABOUT, "pasted": request_lines(2).decode().replace("\n", "\r\n")})
    assert console.get(answer.headers["Location"]).context["findings"].requests == 2
    assert File.objects.get().filename == "pasted.jsonl"
    both = console.post(NEW, {**ABOUT, "pasted": "{}", "file": SimpleUploadedFile("a.jsonl", b"{}\n")})
    assert both.status_code == 422
    assert "Choose a file or paste lines, not both." in both.content.decode()
    empty = console.post(NEW, {**ABOUT, "pasted": " \r\n "})
    assert "Choose a file with one request a line" in empty.content.decode()
    for text in ("\x00", "x" * 100_001):
        assert console.post(NEW, {**ABOUT, "pasted": text}).status_code == 422


@pytest.mark.parametrize("endpoint", sorted(OPENAI_ENDPOINTS))
def test_a_sample_is_a_good_input(endpoint: str) -> None:
    """O29."""
    checker = LineChecker(LineRules(endpoint))
    lines = list(read_lines(io.BytesIO(sample_lines(endpoint, model="m").encode()), max_line_bytes=10_000))
    assert [checker.check(line)[1] for line in lines] == [[], [], []]


def test_the_form_offers_a_sample_for_its_endpoint(console: Client, project: Project, simulator: Provider) -> None:
    page = console.get(f"{NEW}?endpoint=/v1/embeddings").content.decode()
    [address] = re.findall(r'href="(/console/batches/new/sample/[^"]*)"', page)
    assert json.loads(console.get(address).content.splitlines()[0])["url"] == "/v1/embeddings"


def test_limits_of_an_input_are_written_in_one_unit(
    console: Client, project: Project, simulator: Provider, settings: Settings
) -> None:
    """O28: the form said 209.7 MB and its error 209 MB, of a limit of 200 MiB."""
    assert "Up to 50,000 requests and 200 MiB." in console.get(NEW).content.decode()
    settings.MAX_BATCH_FILE_BYTES = 1024
    answer = console.post(NEW, {**ABOUT, "file": SimpleUploadedFile("a.jsonl", b"x" * 300_000)})
    assert answer.status_code == 413
    assert "larger than the 1 KiB" in answer.content.decode()

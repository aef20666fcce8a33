"""Files as answers (E7): whole, in part, or not at all to a client that has them; and gone once they are deleted (C8)."""

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchResult, File, Project
from batches.services.storage.store import hide
from batches.services.upkeep.prune import prune
from tests.cast import TESTER, stored
from tests.services.pruned import mixed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

CONTENT = b"0123456789" * 100
Get = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture
def file(project: Project) -> File:
    return stored(project, CONTENT)


@pytest.fixture
def get(key: str) -> Get:
    """GET with a key: status, headers and body."""

    def ask(path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = Client(raise_request_exception=False).get(path, headers={"Authorization": f"Bearer {key}"} | named)
        body = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
        return response.status_code, dict(response.headers), body

    return ask


FACES = ("/v1/files/{}/content", "/openai/v1/files/{}/content", "/bifrost/v1/files/{}/content", "/api/v1/files/{}/content")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=990-", 990, 1000), ("bytes=-7", 993, 1000), ("bytes=5-9999", 5, 1000)],
)
def test_e7_a_part_of_a_file_is_served_alone(get: Get, file: File, face: str, asked: str, start: int, end: int) -> None:
    status, headers, body = get(face.format(file), Range=asked)
    assert (status, body) == (206, CONTENT[start:end])
    assert headers["Content-Range"] == f"bytes {start}-{end - 1}/1000"
    assert headers["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=2000-3000", "bytes=-0"])
def test_e7_a_part_behind_the_end_is_refused_with_the_length(get: Get, file: File, asked: str) -> None:
    status, headers, _ = get(FACES[0].format(file), Range=asked)
    assert (status, headers["Content-Range"]) == (416, "bytes */1000")


@pytest.mark.parametrize("asked", ["bytes=1-2,5-6", "lines=1-2", "bytes=9-3", "bytes=-", "bytes=a-b", "bytes=١-٢", "0-5"])
def test_e7_what_is_no_single_range_gets_the_whole_file(get: Get, file: File, asked: str) -> None:
    status, _, body = get(FACES[0].format(file), Range=asked.encode().decode("latin-1"))
    assert (status, body) == (200, CONTENT)


@pytest.mark.parametrize("face", FACES)
def test_e7_a_client_that_has_the_file_is_sent_nothing(get: Get, file: File, face: str) -> None:
    _, headers, body = get(face.format(file))
    assert body == CONTENT
    assert (headers["Accept-Ranges"], headers["Content-Length"]) == ("bytes", "1000")
    for known in (headers["ETag"], f"W/{headers['ETag']}", f'"other", {headers["ETag"]}', "*"):
        status, again, nothing = get(face.format(file), If_None_Match=known)
        assert (status, nothing, again["ETag"]) == (304, b"", headers["ETag"])
    assert get(face.format(file), If_None_Match='"other"')[0] == 200


def test_e7_a_part_is_served_only_if_it_goes_with_what_the_client_has(get: Get, file: File) -> None:
    path = FACES[0].format(file)
    headers = get(path)[1]
    for same in (headers["ETag"], headers["Last-Modified"]):
        assert get(path, Range="bytes=0-4", If_Range=same)[0] == 206
    for other in ('"other"', f"W/{headers['ETag']}", "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert get(path, Range="bytes=0-4", If_Range=other)[0] == 200


def test_e7_a_file_that_is_written_anew_has_another_tag(get: Get, file: File, project: Project) -> None:
    before = get(FACES[0].format(file))[1]["ETag"]
    File.objects.filter(pk=file.pk).update(content=stored(project, b"x" * 1000).content.name)
    assert get(FACES[0].format(file), If_None_Match=before)[0] == 200


def test_e7_bytes_that_are_gone_are_told_before_an_answer_begins(get: Get, file: File) -> None:
    file.content.storage.delete(str(file.content.name))
    assert get(FACES[0].format(file))[0] in (404, 410)


def test_e7_the_console_serves_parts_too(operator: User, project: Project, settings: Settings) -> None:
    batch = mixed(project, settings)
    client = Client()
    client.force_login(operator)
    answer = client.get(reverse("console:file", args=[batch.pk, "output"]), headers={"Range": "bytes=0-9"})
    assert answer.status_code == 206
    assert len(b"".join(answer.streaming_content)) == 10  # type: ignore[attr-defined]


# --- C8: deleted results are gone through every door ----------------------------------------------------------------


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """A batch that has ended, with every outcome in it."""
    return mixed(project, settings)


def delete(file: File | None) -> None:
    assert file is not None
    hide(file, actor=TESTER, now=timezone.now())


def answers(get: Get, batch: Batch) -> list[str]:
    """What each door says about the answers of a batch."""
    doors = (
        f"/v1/batches/{batch}/results",
        f"/bifrost/v1/batches/{batch}/results?provider={batch.provider.name}",
        f"/api/v1/batches/{batch}/results",
        f"/api/v1/batches/{batch}/lineage/results",
    )
    return [f"{status} {body.decode()}" for status, _, body in map(get, doors)]


def test_c8_answers_are_there_before_anything_is_deleted(get: Get, batch: Batch) -> None:
    assert all(said.startswith("200") for said in answers(get, batch)[:2]), answers(get, batch)


@pytest.mark.parametrize("which", ["output_file", "error_file"])
def test_c8_a_deleted_result_file_is_gone_through_every_door(get: Get, batch: Batch, which: str) -> None:
    delete(getattr(batch, which))
    for said in answers(get, batch):
        assert said[:3] in ("404", "410"), said


def test_c8_an_expired_result_file_is_gone_through_every_door(get: Get, batch: Batch) -> None:
    assert batch.output_file is not None
    File.objects.filter(pk=batch.output_file.pk).update(expires_at=timezone.now())
    for said in answers(get, batch):
        assert said[:3] in ("404", "410"), said


def test_c8_one_answer_is_gone_with_its_file_and_another_is_not(get: Get, batch: Batch) -> None:
    lines = {row.status: row.line for row in BatchResult.objects.filter(batch=batch).exclude(body="")}
    pages = {status: f"/api/v1/batches/{batch}/objects/{line}" for status, line in lines.items()}
    assert all(json.loads(get(page)[2])["response"] for page in pages.values())

    delete(batch.output_file)

    assert json.loads(get(pages["succeeded"])[2])["response"] is None
    assert json.loads(get(pages["failed"])[2])["response"] is not None


def test_c8_the_rows_of_deleted_results_go_with_the_next_run_of_prune(batch: Batch) -> None:
    assert BatchResult.objects.filter(batch=batch).exists()
    delete(batch.output_file)
    prune(now=timezone.now())
    assert not BatchResult.objects.filter(batch=batch).exists()
    batch.refresh_from_db()
    assert batch.results_pruned_at is not None
    assert batch.succeeded > 0

"""A whole batch on a real S3 (a server of moto's): what is kept on a disk is kept there too, and read in parts (E7)."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, File, Project, Purpose, UploadPart
from batches.services.intake.uploads import add_part, complete_upload, start_upload
from batches.services.results.results import results
from batches.services.retry.retry import retry
from batches.services.retry.selection import EVERYTHING
from batches.services.storage.store import hide
from batches.services.upkeep.prune import prune
from batches.services.upkeep.retention import prune_results
from config.backends import s3
from tests.cast import TESTER, error_lines, output_lines, request_lines, stored
from tests.services.pruned import mixed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator", "bucket")]


def names(bucket: Any) -> set[str]:
    return {found.key for found in bucket.objects.all()}


def test_a_batch_runs_from_its_input_to_its_files(project: Project, settings: Settings, bucket: Any) -> None:
    batch = mixed(project, settings)
    assert len(output_lines(batch)) == batch.succeeded > 0
    assert len(error_lines(batch)) == batch.total - batch.succeeded > 0
    assert names(bucket) == {str(name) for name in File.objects.values_list("content", flat=True)}


def test_answers_are_read_in_ranges_once_their_rows_are_gone(project: Project, settings: Settings) -> None:
    batch = mixed(project, settings)
    before = list(results(batch))
    prune_results(now=timezone.now() + timedelta(days=2))
    batch.refresh_from_db()
    assert list(results(batch)) == before


def test_a_retry_reads_the_input_and_writes_another(project: Project, settings: Settings, bucket: Any) -> None:
    batch = mixed(project, settings)
    before = names(bucket)
    child = retry(batch, selection=EVERYTHING, actor=TESTER, now=timezone.now()).batch
    assert child.input_file is not None
    assert names(bucket) - before == {str(child.input_file.content.name)}


def test_an_upload_in_parts_becomes_one_object(project: Project, bucket: Any) -> None:
    now = timezone.now()
    upload = start_upload(project, filename="x", mime_type="x", purpose=Purpose.USER_DATA, size=6, now=now)
    parts = [add_part(upload, ContentFile(part), now=now) for part in (b"abc", b"def")]
    file = complete_upload(upload, part_ids=[part.pk for part in parts], now=now).file
    assert file is not None
    assert names(bucket) == {str(file.content.name)}
    assert not UploadPart.objects.exists()


def test_e7_a_download_is_streamed_and_may_be_a_part(project: Project, key: str) -> None:
    content = request_lines(500)
    file = stored(project, content)
    client = Client(headers={"Authorization": f"Bearer {key}"})
    whole = client.get(f"/v1/files/{file}/content")
    part = client.get(f"/v1/files/{file}/content", headers={"Range": "bytes=100-199"})
    assert b"".join(whole.streaming_content) == content  # type: ignore[attr-defined]
    assert (part.status_code, b"".join(part.streaming_content)) == (206, content[100:200])  # type: ignore[attr-defined]


def test_a_deleted_file_goes_from_the_bucket(project: Project, bucket: Any) -> None:
    file = stored(project, b"{}\n")
    hide(file, actor=TESTER, now=timezone.now())
    prune(now=timezone.now())
    assert names(bucket) == set()


def test_an_object_that_vanished_is_gone_for_clients(project: Project, key: str, bucket: Any) -> None:
    file = stored(project, b"{}\n")
    bucket.objects.all().delete()
    answer = Client(headers={"Authorization": f"Bearer {key}"}).get(f"/v1/files/{file}/content")
    assert answer.status_code in (404, 410)
    assert Batch.objects.count() == 0


def test_e17_an_s3_that_does_not_answer_is_given_up_on() -> None:
    storage: Any = storages["default"]
    config = storage.connection.meta.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (s3.CONNECT_SECONDS, s3.READ_SECONDS)

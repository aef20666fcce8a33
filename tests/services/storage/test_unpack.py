"""C13: an input that came compressed is kept plain, within the limits of what it unpacks to."""

import gzip
import io
import tracemalloc

import pytest
from django.core.files.base import ContentFile
from django.core.files.base import File as Content
from django.utils import timezone
from pytest_django import Settings

from batches.models import File, Project, Purpose
from batches.rules.errors import InvalidRequest, PortalError, TooLarge
from batches.services.storage.store import store
from tests.cast import request_lines

pytestmark = pytest.mark.django_db

LINES = request_lines(3)


def kept(project: Project, content: bytes, *, filename: str = "jobs.jsonl.gz", purpose: Purpose = Purpose.BATCH) -> File:
    return store(ContentFile(content), project=project, purpose=purpose, filename=filename, now=timezone.now())


def read(file: File) -> bytes:
    with file.content.open("rb") as content:
        return bytes(content.read())


@pytest.mark.parametrize(
    ("filename", "unpacked"),
    [("jobs.jsonl.gz", "jobs.jsonl"), ("JOBS.JSONL.GZ", "JOBS.JSONL"), ("upload", "upload"), ("jobs.jsonl", "jobs.jsonl")],
)
def test_an_input_is_known_as_gzip_by_its_first_bytes(project: Project, filename: str, unpacked: str) -> None:
    file = kept(project, gzip.compress(LINES, mtime=0), filename=filename)
    assert (read(file), file.bytes, file.filename) == (LINES, len(LINES), unpacked)


def test_a_plain_file_that_is_only_called_gz_is_kept_as_it_is(project: Project) -> None:
    file = kept(project, LINES)
    assert (read(file), file.filename) == (LINES, "jobs.jsonl.gz")


def test_members_one_after_the_other_and_padding_are_unpacked(project: Project) -> None:
    packed = gzip.compress(LINES, mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(LINES, mtime=0) + b"\0" * 700
    assert read(kept(project, packed)) == LINES * 2


def test_another_purpose_is_kept_as_it_came(project: Project) -> None:
    packed = gzip.compress(LINES, mtime=0)
    assert read(kept(project, packed, purpose=Purpose.USER_DATA)) == packed


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(LINES, mtime=0)[:-9],
        gzip.compress(LINES, mtime=0)[:12],
        gzip.compress(LINES, mtime=0)[:-4] + b"\0\0\0\1",
        gzip.compress(LINES, mtime=0) + b"more",
        gzip.compress(b"", mtime=0),
        b"\x1f\x8b\x08",
    ],
    ids=["cut off", "cut off early", "wrong length", "more behind it", "nothing in it", "only its beginning"],
)
def test_a_damaged_one_is_refused_and_nothing_is_kept(project: Project, content: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        kept(project, content)
    assert refused.value.param == "file"
    assert not File.objects.exists()


def test_a_bomb_is_refused_without_being_unpacked(project: Project, settings: Settings) -> None:
    settings.MAX_BATCH_FILE_BYTES = 1024**2
    bomb = gzip.compress(b"\n" * 200 * 1024**2, compresslevel=9, mtime=0)
    assert len(bomb) < settings.MAX_BATCH_FILE_BYTES
    tracemalloc.start()
    with pytest.raises(TooLarge):
        store(Content(io.BytesIO(bomb), "b"), project=project, purpose=Purpose.BATCH, filename="b", now=timezone.now())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1024**2
    assert not File.objects.exists()


def test_the_quota_counts_what_is_kept(project: Project) -> None:
    project.max_stored_bytes = len(LINES) - 1
    project.save()
    assert len(gzip.compress(LINES * 20, mtime=0)) < project.max_stored_bytes
    with pytest.raises(PortalError) as refused:
        kept(project, gzip.compress(LINES * 20, mtime=0))
    assert refused.value.code == "insufficient_quota"

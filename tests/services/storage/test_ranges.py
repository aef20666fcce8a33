"""Reading a part of a file: of one on the disk, and of one in a bucket, of which nothing else is fetched."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone
from pytest_django import Settings

from batches.models import File, Project
from batches.rules.errors import Gone
from batches.services.storage import ranges
from batches.services.storage.ranges import is_kept, read_range, stream_range
from tests.cast import stored

CONTENT = bytes(range(256)) * 8


class Bucket(BaseHTTPRequestHandler):
    """An S3 that holds objects, and remembers the ranges that were asked for."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        found = self.objects.get(self.path)
        if found is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>No such key.</Message></Error>")
            return
        wanted = self.headers.get("Range", "")
        self.asked.append(wanted)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        self._answer(206 if match else 200, found[int(match[1]) : int(match[2]) + 1] if match else found)

    def do_HEAD(self) -> None:
        self._answer(200 if self.path in self.objects else 404, b"")

    def do_PUT(self) -> None:
        self.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def bucket(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    """File storage in a bucket."""
    for name, value in (("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_DEFAULT_REGION", "region")):
        monkeypatch.setenv(name, value)
    Bucket.objects.clear()
    Bucket.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {
        "bucket_name": "files",
        "endpoint_url": f"http://127.0.0.1:{server.server_address[1]}",
        "file_overwrite": False,
        "signature_version": "s3v4",
        "addressing_style": "path",
    }
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
    yield Bucket
    storage: Any = storages["default"]
    storage.connection.meta.client.close()
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["disk", "bucket"])
def file(request: pytest.FixtureRequest, project: Project) -> File:
    """A file in each kind of storage."""
    if request.param == "disk":
        return stored(project, CONTENT)
    bucket = request.getfixturevalue("bucket")
    made = File(project=project, purpose="batch", filename="x", bytes=len(CONTENT), created_at=timezone.now())
    made.content.storage = storages["default"]
    made.content.name = f"{project.pk.hex}/x"
    bucket.objects[f"/files/{made.content.name}"] = CONTENT
    return made


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (0, len(CONTENT)), (7, 300), (len(CONTENT) - 1, len(CONTENT)), (5, 5), (9, 5)]
)
def test_just_the_bytes_of_the_range_are_read(file: File, start: int, end: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "CHUNK", 64)
    assert read_range(file, start, end, name="input") == CONTENT[start:end]
    assert all(len(piece) <= 64 for piece in stream_range(file, start, end, name="input"))


def test_nothing_but_the_range_is_fetched_from_a_bucket(bucket: type[Bucket], project: Project) -> None:
    bucket.objects["/files/x"] = CONTENT
    made = File(project=project, purpose="batch", filename="x", bytes=len(CONTENT), created_at=timezone.now())
    made.content.storage = storages["default"]
    made.content.name = "x"
    read_range(made, 10, 20, name="input")
    read_range(made, 5, 5, name="input")
    assert bucket.asked == ["bytes=10-19"]
    assert is_kept(made)


def test_a_file_that_vanished_is_gone(file: File) -> None:
    file.content.name = "other"
    assert not is_kept(file)
    with pytest.raises(Gone, match=r"^The output file is no longer kept\.$"):
        read_range(file, 0, 5, name="output")


def test_a_file_that_was_purged_or_never_was_is_gone(file: File) -> None:
    file.purged_at = timezone.now()
    for gone in (file, None):
        assert not is_kept(gone)
        with pytest.raises(Gone, match="no longer kept"):
            read_range(gone, 0, 5, name="error")


def test_a_file_can_be_put_into_the_bucket(bucket: type[Bucket]) -> None:
    assert storages["default"].save("made", ContentFile(b"abc"))
    assert list(bucket.objects) == ["/files/made"]

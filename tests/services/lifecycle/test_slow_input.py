"""E8 and E4: an input on a storage that is slow, or out of this worker's reach."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchError, File, Project, Worker
from batches.services.insight.waiting import Cause, waiting
from batches.services.lifecycle.validate import validate
from tests.cast import request_lines, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that stands still unless it is put forward."""

    class Clock:
        now = timezone.now()

        def forward(self, seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


class Slow(FileSystemStorage):
    """Answers each read after most of a lease, and has a rival try for the batch meanwhile."""

    def __init__(self, clock: Any, rival: Any, **more: Any) -> None:
        super().__init__(**more)
        self.clock, self.rival = clock, rival

    def _open(self, name: str, mode: str = "rb") -> Any:
        opened = super()._open(name, mode)  # type: ignore[misc]
        read = opened.file.read

        def slowly(size: int = -1) -> bytes:
            self.clock.forward(25)
            self.rival()
            piece: bytes = read(min(size, 400) if size > 0 else 400)
            return piece

        opened.file.read = slowly
        opened.__dict__["read"] = slowly
        return opened


def test_e8_a_lease_is_kept_however_slowly_the_input_comes(
    project: Project, settings: Settings, media_root: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_SECONDS = 30
    batch = submitted(project, request_lines(20))
    tries: list[datetime] = []

    def rival() -> None:
        tries.append(clock.now)
        if len(tries) < 100:  # else a rival that gets the lease would call itself
            before = Batch.objects.get(pk=batch.pk).lease_epoch
            validate(batch.pk, now=clock.now)
            assert Batch.objects.get(pk=batch.pk).lease_epoch == before == 1

    storage = Slow(clock, rival, location=media_root)
    monkeypatch.setattr(File._meta.get_field("content"), "storage", storage)
    validate(batch.pk, now=clock.now)
    batch.refresh_from_db()
    assert len(tries) > 3
    assert (batch.status, batch.lease_epoch, batch.lease_expires_at, batch.counts.total) == ("in_progress", 1, None, 20)


def without_volume(media_root: Path) -> Path:
    """The folder that holds the files is somewhere else, as when a volume is not mounted."""
    away = media_root.parent / "away"
    shutil.move(media_root, away)
    media_root.mkdir()
    return away


def test_e4_a_volume_that_is_missing_puts_validation_off(project: Project, media_root: Path) -> None:
    batch = submitted(project, request_lines(2))
    away = without_volume(media_root)
    now = timezone.now()
    validate(batch.pk, now=now)
    batch.refresh_from_db()
    assert (batch.status, BatchError.objects.count()) == ("validating", 0)
    assert "lacks the folder" in batch.put_off_reason
    assert batch.lease_expires_at is not None  # not again every second
    Worker.objects.create(role=Worker.Role.CONTROL, name="one", started_at=now, seen_at=now)
    found = waiting(batch, now=now)
    assert found is not None
    assert (found.cause, found.details["reason"]) == (Cause.INPUT_OUT_OF_REACH, batch.put_off_reason)
    media_root.rmdir()
    shutil.move(away, media_root)
    validate(batch.pk, now=batch.lease_expires_at)
    batch.refresh_from_db()
    assert (batch.status, batch.put_off_reason, batch.counts.total) == ("in_progress", "", 2)


@pytest.mark.parametrize("error", [PermissionError, ConnectionError, OSError])
def test_e4_a_storage_that_does_not_answer_puts_validation_off(
    project: Project, media_root: Path, error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted(project, request_lines(2))

    class Mute(FileSystemStorage):
        def _open(self, name: str, mode: str = "rb") -> Any:
            raise error("secret detail")

    monkeypatch.setattr(File._meta.get_field("content"), "storage", Mute(location=media_root))
    validate(batch.pk, now=timezone.now())
    batch.refresh_from_db()
    assert batch.status == "validating"
    assert error.__name__ in batch.put_off_reason
    assert "secret" not in batch.put_off_reason


def test_e4_a_file_that_is_gone_fails_the_batch(project: Project, media_root: Path) -> None:
    batch = submitted(project, request_lines(2))
    assert batch.input_file is not None
    (media_root / str(batch.input_file.content.name)).unlink()
    validate(batch.pk, now=timezone.now())
    batch.refresh_from_db()
    assert (batch.status, BatchError.objects.get().code) == ("failed", "input_not_found")

"""Levers of the disk and the clock of a portal that runs. Files in its data folder hold their settings."""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.core.files.base import File

from tests.full_disk import FullDisk

SLOW_BYTES = 16 * 1024  # the bytes of one slow read


class Disk(FullDisk):
    """A disk that fails in the middle of each file that has more bytes than it has room."""

    def space(self) -> int | None:
        return _number_in(_room(settings.DATA_DIR))

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        opened: File[Any] = super()._open(name, mode)  # type: ignore[misc]
        if pause := _number_in(_pause(settings.DATA_DIR)):
            slow: Any = SlowFile(cast("IO[bytes]", opened.file), pause / 1000)
            opened.file = slow
            opened.__dict__.update(read=slow.read)
        return opened


class SlowFile:
    """A file whose reads are slow, and return few bytes each."""

    def __init__(self, source: IO[bytes], pause: float) -> None:
        self._source, self._pause = source, pause

    def read(self, size: int = -1) -> bytes:
        time.sleep(self._pause)
        return self._source.read(min(size, SLOW_BYTES) if size > 0 else size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def leave_room(folder: Path, size: int | None) -> None:
    """Set the room on the disk in bytes; None for no limit."""
    _tell(_room(folder), size)


def slow_down(folder: Path, milliseconds: int | None) -> None:
    """Set how long each read of a stored file takes; None for no delay."""
    _tell(_pause(folder), milliseconds)


def set_clock(folder: Path, ahead: timedelta | None) -> None:
    """Set how much the clock of every process is ahead; None for the right time."""
    _tell(_clock(folder), None if ahead is None else int(ahead.total_seconds()))


def moved(now: datetime) -> datetime:
    """The time on the clock of the portal."""
    return now + timedelta(seconds=_number_in(_clock(settings.DATA_DIR)) or 0)


def _room(folder: Path) -> Path:
    return folder / "room"


def _pause(folder: Path) -> Path:
    return folder / "pause"


def _clock(folder: Path) -> Path:
    return folder / "clock"


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return None


def _tell(path: Path, value: int | None) -> None:
    if value is None:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(str(value))
    fresh.replace(path)  # so that no process reads half of the file

"""What can be done to the disk and the clock of a portal that runs: files in its data folder tell how they are."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from tests.full_disk import FullDisk


class Disk(FullDisk):
    """A disk that fails in the middle of each file with more bytes than there is room."""

    def space(self) -> int | None:
        return _told(_room(settings.DATA_DIR))


def leave_room(folder: Path, size: int | None) -> None:
    """Leave so many bytes on the disk; None: as many as anybody wants."""
    _tell(_room(folder), size)


def set_clock(folder: Path, ahead: timedelta | None) -> None:
    """Have the clock of every process be so much ahead; None: right."""
    _tell(_clock(folder), None if ahead is None else int(ahead.total_seconds()))


def moved(now: datetime) -> datetime:
    """What the portal takes for the time."""
    return now + timedelta(seconds=_told(_clock(settings.DATA_DIR)) or 0)


def _room(folder: Path) -> Path:
    return folder / "room"


def _clock(folder: Path) -> Path:
    return folder / "clock"


def _told(path: Path) -> int | None:
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
    fresh.replace(path)  # nobody reads half of it

"""A file storage on a disk that gets full: it takes so many bytes, and then fails in the middle of a file."""

import errno
import os
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage


class FullDisk(FileSystemStorage):
    """`room` is how many bytes it has left; None: as many as wanted. The beginning of what does not fit is written."""

    room: int | None = None

    def _save(self, name: str, content: "File[Any]") -> str:
        room = self.space()
        if room is None:
            return str(super()._save(name, content))  # type: ignore[misc]
        if content.size <= room:
            self.room = room - content.size
            return str(super()._save(name, content))  # type: ignore[misc]
        super()._save(name, ContentFile(content.read(room)))  # type: ignore[misc]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def space(self) -> int | None:
        """The bytes that are left."""
        return self.room

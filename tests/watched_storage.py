"""The file storage of the tests. It fails whoever reads or writes bytes within a transaction (E3).

A transaction holds locks, on SQLite the one lock that every writer needs; a disk may take seconds for a large file.
"""

from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.db import connection


class WithinTransaction(AssertionError):
    """Bytes were read or written within a transaction."""


class WatchedStorage(FileSystemStorage):
    """A folder on the disk. Transactions that only a test began do not count."""

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        _require_no_transaction(name)
        return super()._open(name, mode)  # type: ignore[misc, no-any-return]

    def _save(self, name: str, content: "File[Any]") -> str:
        _require_no_transaction(name)
        return str(super()._save(name, content))  # type: ignore[misc]

    def delete(self, name: str) -> None:
        _require_no_transaction(name)
        super().delete(name)


def _require_no_transaction(name: str) -> None:
    blocks = [block for block in connection.atomic_blocks if not getattr(block, "_from_testcase", False)]
    if blocks:
        raise WithinTransaction(f"{Path(name).name} is read or written within a transaction")

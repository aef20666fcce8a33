"""Reading a stored file, whole or in part, piece by piece. A piece is fetched only when it is asked for."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from batches.models import File
from batches.rules.errors import Gone, PortalError, StorageAway

CHUNK = 256 * 1024


class Readable(Protocol):
    """A stored file that is read from its beginning."""

    def read(self, size: int, /) -> bytes: ...


def is_kept(file: File | None) -> bool:
    """Whether the bytes of a file can still be read."""
    return file is not None and file.purged_at is None and file.content.storage.exists(str(file.content.name))


@contextmanager
def opened(file: File | None) -> Iterator[Readable]:
    """Open a file at its beginning. Raises FileNotFoundError, and OSError when the storage does not answer."""
    if file is None or file.purged_at is not None:
        raise FileNotFoundError
    source = _object(file) if _is_in_bucket(file) else file.content.open("rb")
    with closing(source):
        yield source


@contextmanager
def reading(file: File | None, *, name: str) -> Iterator[Readable]:
    """Open a file at its beginning. Raises Gone for a file that is no longer kept, with this name in the message."""
    try:
        with opened(file) as source:
            yield source
    except FileNotFoundError:
        raise Gone(f"The {name} file is no longer kept.") from None


def read_range(file: File | None, start: int, end: int, *, name: str) -> bytes:
    """The bytes of a file from `start` up to `end`. Raises Gone with this name in the message, and StorageAway."""
    return b"".join(stream_range(file, start, end, name=name))


def stream_range(file: File | None, start: int, end: int, *, name: str) -> Iterator[bytes]:
    """The bytes of a file from `start` up to `end`, piece by piece. Raises Gone, and StorageAway if the storage is missing."""
    if file is None or file.purged_at is not None:
        raise Gone(f"The {name} file is no longer kept.")
    if start >= end:
        return
    try:
        yield from _from_bucket(file, start, end) if _is_in_bucket(file) else _from_file(file, start, end)
    except FileNotFoundError:
        raise _missing(file, name) from None


def _missing(file: File, name: str) -> PortalError:
    """The error for a missing file. On a disk without the file's folder it is StorageAway: the right disk is not mounted."""
    storage: Any = file.content.storage
    if not _is_in_bucket(file) and not Path(storage.path(file.content.name)).parent.is_dir():
        return StorageAway(f"The {name} file cannot be read: the file storage is not there. A volume may not be mounted.")
    return Gone(f"The {name} file is no longer kept.")


def _from_file(file: File, start: int, end: int) -> Iterator[bytes]:
    with file.content.open("rb") as source:
        source.seek(start)
        while start < end and (piece := bytes(source.read(min(CHUNK, end - start)))):
            start += len(piece)
            yield piece


def _is_in_bucket(file: File) -> bool:
    return hasattr(file.content.storage, "bucket")


def _from_bucket(file: File, start: int, end: int) -> Iterator[bytes]:
    with closing(_object(file, Range=f"bytes={start}-{end - 1}")) as body:
        yield from body.iter_chunks(CHUNK)


def _object(file: File, **about: str) -> Any:
    """The body of an object in S3. The client is used directly, because the storage's files fetch whole objects at once."""
    storage: Any = file.content.storage
    client = storage.bucket.meta.client
    try:
        return client.get_object(Bucket=storage.bucket.name, Key=str(file.content.name), **about)["Body"]
    except client.exceptions.NoSuchKey:
        raise FileNotFoundError from None
    except Exception as error:  # botocore's errors cannot be named: not every installation has botocore
        raise OSError("the file storage does not answer") from error

"""place: where a backup is kept, and the one way to copy bytes there and back."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

CHUNK = 1024**2
ATTEMPTS = 3  # of one call to S3
PART_BYTES = 64 * CHUNK  # of a multipart upload. S3 takes 10,000 parts, and the size of a dump is not known beforehand


class BackupError(Exception):
    """A backup cannot be made, read or restored. The message says why."""


class Kept(msgspec.Struct, frozen=True):
    """Bytes that were copied: how many, and their SHA-256."""

    bytes: int
    sha256: str


def place_of(text: str) -> Storage:
    """The place that a path or an `s3://BUCKET/PREFIX` names. Raises BackupError for any other address."""
    address = urlsplit(text)
    if "://" not in text:
        return FileSystemStorage(location=Path(text).resolve())
    if address.scheme != "s3" or not address.netloc or address.query or address.fragment:
        raise BackupError(f"{text!r} is neither a folder nor s3://BUCKET/PREFIX.")
    return _bucket(address.netloc, prefix=address.path.strip("/"))


@contextmanager
def failures_of_storage() -> Iterator[None]:
    """Raise BackupError for a storage that fails: a full disk, a missing bucket, a server that is away."""
    try:
        yield
    except BackupError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in {"boto3", "botocore"}:
            raise
        raise BackupError(f"The backup or the file storage cannot be used: {error}.") from error


def _bucket(name: str, *, prefix: str) -> Storage:
    try:
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - only a portal with the extra `s3` has it
        from botocore.config import Config  # noqa: PLC0415
    except ImportError:
        raise BackupError("A backup on S3 needs the extra `s3`: install requirements.lock.") from None
    options = {
        "bucket_name": name,
        "location": prefix,
        "endpoint_url": settings.S3_ENDPOINT_URL,
        "file_overwrite": True,
        "max_memory_size": CHUNK,
        "client_config": Config(signature_version="s3v4", retries={"mode": "standard", "total_max_attempts": ATTEMPTS}),
        "transfer_config": TransferConfig(use_threads=False, multipart_chunksize=PART_BYTES, multipart_threshold=PART_BYTES),
    }
    bucket: Storage = storages.create_storage({"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options})
    return bucket


def is_empty(storage: Storage) -> bool:
    """Whether nothing is kept in a storage. A folder that is not there is empty."""
    return next(names_in(storage), None) is None


def names_in(storage: Storage, folder: str = "") -> Iterator[str]:
    """The name of each file in a storage."""
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    prefix = f"{folder}/" if folder else ""
    yield from (f"{prefix}{name}" for name in files)
    for inner in folders:
        yield from names_in(storage, f"{prefix}{inner}")


def put(storage: Storage, name: str, source: IO[bytes]) -> Kept:
    """Copy a stream into a storage under a name that is free. Memory holds one chunk; for S3, one part."""
    measured = Measured(source)
    content: File[Any] = File(io.BufferedReader(measured, CHUNK), name=name)
    stored = storage.save(name, content)
    if stored != name:
        storage.delete(stored)
        raise BackupError(f"{name} is there already.")
    return measured.kept


def measure(storage: Storage, name: str) -> Kept:
    """Read bytes, and tell their size and digest. Raises BackupError if there are none."""
    with opened(storage, name) as source:
        measured = Measured(source)
        while measured.read(CHUNK):
            pass
    return measured.kept


@contextmanager
def opened(storage: Storage, name: str) -> Iterator[IO[bytes]]:
    """A stream of bytes in a backup. Raises BackupError if there are none."""
    try:
        source = storage.open(name)
    except FileNotFoundError:
        raise BackupError(f"{name} is missing in the backup.") from None
    with closing(source):
        yield source


class Measured(io.RawIOBase):
    """A stream that is read once, from its beginning to its end. It counts and digests what is read."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__()
        self._source = source
        self._digest = hashlib.sha256()
        self._bytes = 0

    @property
    def kept(self) -> Kept:
        """The size and the digest of all that was read."""
        return Kept(self._bytes, self._digest.hexdigest())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._source.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._digest.update(chunk)
        self._bytes += len(chunk)
        return len(chunk)

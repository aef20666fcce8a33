"""manifest: what a backup says of itself, and how it is read and written."""

from collections.abc import Iterator
from datetime import datetime
from typing import IO

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from batches.services.backup.place import BackupError, Kept, Measured, opened

MANIFEST = "manifest.json"
FILES = "files.jsonl"
FOLDER = "files/"
FORMAT = 1
_KNOWN_TEXT = b"batchyard"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. `tables` has the number of rows of each table."""

    format: int
    made_at: datetime
    version: str  # of the portal
    database: str  # `postgresql` or `sqlite`
    migrations: list[str]  # `app.name` of each
    tables: dict[str, int]
    dump: Kept
    files: Kept  # the list in files.jsonl
    files_count: int  # the files that are in the backup
    files_bytes: int
    keys: list[str]  # a known text under each key that encrypts credentials; the keys themselves are not in the backup


class FileLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file in files.jsonl: its name in the file storage. `kept` is absent if it was removed while the backup was made."""

    name: str
    kept: Kept | None = None


def write_manifest(place: Storage, manifest: Manifest) -> None:
    """Write the manifest. The backup is complete with it."""
    place.save(MANIFEST, ContentFile(msgspec.json.format(msgspec.json.encode(manifest), indent=2)))


def read_manifest(place: Storage) -> Manifest:
    """The manifest of a backup. Raises BackupError if it is missing, not readable, or of a later format."""
    if not place.exists(MANIFEST):
        raise BackupError(f"There is no {MANIFEST}: this is no backup, or one that was not finished.")
    with opened(place, MANIFEST) as source:
        content = source.read()
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupError(f"{MANIFEST} cannot be read: {error}.") from None
    if manifest.format != FORMAT:
        raise BackupError(f"The backup has format {manifest.format}, and this release reads format {FORMAT}.")
    return manifest


def write_lines(lines: Iterator[FileLine], sink: IO[bytes]) -> tuple[int, int]:
    """Write files.jsonl. Returns the number and the bytes of the files that the backup has."""
    count = size = 0
    for line in lines:
        sink.write(msgspec.json.encode(line) + b"\n")
        if line.kept is not None:
            count, size = count + 1, size + line.kept.bytes
    return count, size


def read_lines(place: Storage, manifest: Manifest) -> Iterator[FileLine]:
    """The files of a backup, one after the other. Raises BackupError, at the end too, if the list is not the manifest's."""
    with opened(place, FILES) as source:
        measured = Measured(source)
        rest = b""
        while chunk := measured.read(64 * 1024):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield _decoded(line)
        if measured.kept != manifest.files or rest:
            raise BackupError(f"{FILES} is not the list that the manifest tells of.")


def _decoded(line: bytes) -> FileLine:
    try:
        return msgspec.json.decode(line, type=FileLine)
    except msgspec.DecodeError as error:
        raise BackupError(f"{FILES} cannot be read: {error}.") from None


def tokens_of_keys() -> list[str]:
    """A known text under each of CREDENTIAL_KEYS. It tells a restore whether it has the keys, and gives none away."""
    return [Fernet(key).encrypt(_KNOWN_TEXT).decode() for key in settings.CREDENTIAL_KEYS]


def has_keys(manifest: Manifest) -> bool:
    """Whether the present CREDENTIAL_KEYS decrypt everything in the backup."""
    cipher = MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
    try:
        return all(cipher.decrypt(token) == _KNOWN_TEXT for token in manifest.keys)
    except InvalidToken:
        return False

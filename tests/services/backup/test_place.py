"""Where a backup may be kept, and how bytes are copied there."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from batches.services.backup.place import BackupError, Kept, measure, place_of, put
from tests.servers import free_port


@pytest.mark.parametrize("address", ["ftp://host/folder", "s3://", "s3://bucket/prefix?x=1", "https://host/bucket"])
def test_an_address_of_another_kind_is_refused_by_name(address: str) -> None:
    with pytest.raises(CommandError, match="neither a folder nor s3"):
        call_command("restore", address)


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"cannot be used: .*Not a directory"):
        call_command("backup", str(tmp_path / "file" / "backup"))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_an_s3_that_is_not_there_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "any")
    settings.S3_ENDPOINT_URL = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CommandError, match="cannot be used: Could not connect"):
        call_command(command, "s3://backups/nightly")


def test_bytes_are_read_once_and_measured(tmp_path: Path) -> None:
    place = place_of(str(tmp_path))
    content = bytes(range(256)) * 10_000

    kept = put(place, "a/b", io.BytesIO(content))

    assert kept == measure(place, "a/b") == Kept(2_560_000, kept.sha256)
    with pytest.raises(BackupError, match="is there already"):
        put(place, "a/b", io.BytesIO(content))

"""A bucket as the portal's file storage, for the modules that ask for it."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from tests.buckets import files_in_bucket, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 that only one module uses."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The bucket that has the portal's files."""
    with files_in_bucket(s3, settings, monkeypatch) as made:
        yield made

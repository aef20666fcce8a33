"""Faces: a batch as each dialect shows it to its clients. The console shows the faces of a batch to people.

Each dialect registers its face together with its paths, so the list is complete as soon as the URLs are loaded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from batches.models import Batch, Dialect


@dataclass(frozen=True, slots=True)
class Face:
    """The face of one dialect.

    `base` is the base URL that clients are told, after the host. `path` is the path at which clients read a batch. `show`
    makes the document of the answer, with addresses under the host of a request; fields about the call itself are left out.
    `cannot` is the reason why the dialect cannot show a batch; it is empty if it can. `header` is a header that clients send
    besides their key. `is_whole` tells whether the answer has every object of the batch.
    """

    dialect: Dialect
    base: str
    path: Callable[[Batch], str]
    show: Callable[[Batch, HttpRequest, datetime], Mapping[str, Any]]
    cannot: Callable[[Batch], str] = lambda _: ""
    header: str = ""
    is_whole: bool = False


_by_dialect: dict[Dialect, Face] = {}


def add_face(face: Face) -> None:
    """Register a face."""
    _by_dialect[face.dialect] = face


def faces() -> list[Face]:
    """All faces, in the order of the dialects."""
    return [_by_dialect[dialect] for dialect in Dialect if dialect in _by_dialect]

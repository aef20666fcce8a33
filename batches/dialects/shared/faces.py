"""Faces: how a batch looks to the clients of each dialect, for whoever shows that to people.

Every dialect makes its face known with its paths; what there is is complete once the addresses are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from batches.models import Batch, Dialect


@dataclass(frozen=True, slots=True)
class Face:
    """One dialect: where its clients read a batch, what they get, and why some batches cannot be shown (empty: it can).

    `show` is what an answer says of the batch, with addresses under the host of a request; what tells of the call alone is
    left out. `header` is what clients send besides their key. It `is_whole` when the answer has every object.
    """

    dialect: Dialect
    path: Callable[[Batch], str]
    show: Callable[[Batch, HttpRequest, datetime], Mapping[str, Any]]
    cannot: Callable[[Batch], str] = lambda _: ""
    header: str = ""
    is_whole: bool = False


_by_dialect: dict[Dialect, Face] = {}


def add_face(face: Face) -> None:
    """Make it known."""
    _by_dialect[face.dialect] = face


def faces() -> list[Face]:
    """All of them, in the order of the dialects."""
    return [_by_dialect[dialect] for dialect in Dialect if dialect in _by_dialect]

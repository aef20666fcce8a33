"""The form of every export: its file name, its content type, and its bytes as a stream, plain or compressed."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

GZIP_FORMAT = 31  # the window bits that make zlib write gzip


class Form(StrEnum):
    """A format of exports."""

    CSV = "csv"
    JSONL = "jsonl"


class Compression(StrEnum):
    """A compression of exports."""

    NONE = "none"
    GZIP = "gzip"


CONTENT_TYPES = {Form.CSV: "text/csv; charset=utf-8", Form.JSONL: "application/jsonl"}
GZIP_TYPE = "application/gzip"


@dataclass(frozen=True, slots=True)
class Export:
    """A file to be streamed. `left_out` are the columns that its reader may not read. A partial one will grow later."""

    filename: str
    content_type: str
    content: Iterator[bytes]
    is_partial: bool = False
    left_out: tuple[str, ...] = ()


def exported(
    lines: Iterable[bytes],
    *,
    name: str,
    form: Form,
    compression: Compression = Compression.NONE,
    is_partial: bool = False,
    left_out: tuple[str, ...] = (),
) -> Export:
    """An export of these lines. Its file name says if the export is partial, and what it leaves out."""
    parts = [name, *(["partial"] if is_partial else []), *(f"without_{column}" for column in left_out)]
    filename = f"{'_'.join(parts)}.{form}"
    if compression is Compression.NONE:
        return Export(filename, CONTENT_TYPES[form], iter(lines), is_partial, left_out)
    return Export(f"{filename}.gz", GZIP_TYPE, gzipped(lines), is_partial, left_out)


def gzipped(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines as one gzip stream."""
    packer = zlib.compressobj(wbits=GZIP_FORMAT)
    for line in lines:
        if packed := packer.compress(line):
            yield packed
    yield packer.flush()

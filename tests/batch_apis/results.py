"""The bytes of result files, with the oddities that a plan asks for."""

import gzip
import random
from collections.abc import Iterable, Sequence

import msgspec

from tests.batch_apis.plan import Oddity
from tests.batch_apis.world import Row
from tests.shapes import shaped

LARGE_BYTES = 20 * 1024**2


def answer_to(row: Row, *, number: int) -> bytes:
    """The body of the answer to a row: a success in the endpoint's shape, or an error in OpenAI's."""
    if row.status < 300:
        return shaped(row.endpoint, number=number, body=row.body)
    error = {"message": f"refused with {row.status}", "type": "invalid_request_error", "param": None, "code": "planned"}
    return msgspec.json.encode({"error": error})


def rendered(lines: Sequence[dict[str, object]], oddities: Iterable[Oddity], *, foreign: dict[str, object]) -> bytes:
    """The lines as JSONL. `foreign` is a line about a row that nobody sent."""
    asked = frozenset(oddities)
    lines = list(lines)
    if Oddity.MISSING in asked:
        lines = lines[:-1]
    if Oddity.DUPLICATED in asked:
        lines = [*lines, *lines[:1]]
    if Oddity.FOREIGN in asked:
        lines = [*lines, foreign]
    if Oddity.SHUFFLED in asked:
        random.Random(7).shuffle(lines)
    texts = [msgspec.json.encode(line) for line in lines]
    if Oddity.LARGE in asked and texts:
        texts[0] = texts[0][:-1] + b', "padding": "' + b"x" * LARGE_BYTES + b'"}'
    if Oddity.NOT_JSON in asked:
        texts.insert(1, b"<html>upstream error</html>")
    if Oddity.EMPTY_LINES in asked:
        texts.insert(1, b"")
    end = b"\r\n" if Oddity.CRLF in asked else b"\n"
    content = b"".join(text + end for text in texts)
    if Oddity.BOM in asked:
        content = b"\xef\xbb\xbf" + content
    if Oddity.CUT in asked:
        content = content[: -len(texts[-1]) // 2]
    return gzip.compress(content) if Oddity.GZIP in asked else content

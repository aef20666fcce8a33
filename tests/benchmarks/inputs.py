"""Input files, and whether what came out of one is what must come out."""

from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

ENDPOINT = "/v1/chat/completions"


class WrongResult(Exception):
    """What was measured did not do what it had to do."""


def custom_id(number: int) -> str:
    return f"request-{number:06d}"


def write_input(path: Path, *, lines: int, line_bytes: int, steer: str = "") -> Path:
    """A batch input of so many chat completions, each line about so long. The body's `user` is the line's marker.

    `steer` is what the markers begin with: how a stub that is steered answers them.
    """
    with path.open("wb") as sink:
        for number in range(lines):
            sink.write(input_line(custom_id(number), line_bytes=line_bytes, steer=steer))
    return path


def input_line(name: str, *, line_bytes: int, steer: str = "") -> bytes:
    """One line, with its line end."""
    message = {"role": "user", "content": ""}
    body: dict[str, Any] = {"model": "stub", "user": steer + name, "messages": [message]}
    line = {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body}
    message["content"] = "word " * (max(line_bytes - len(msgspec.json.encode(line)) - 1, 0) // 5)
    return msgspec.json.encode(line) + b"\n"


class _Answered(msgspec.Struct):
    status_code: int


class _Result(msgspec.Struct):
    custom_id: str
    response: _Answered


def check_output(path: Path, *, lines: int) -> None:
    """Each custom_id exactly once, in input order, answered by 200. Raises WrongResult."""
    decode = msgspec.json.Decoder(_Result).decode
    with path.open("rb") as source:
        for number, (line, expected) in enumerate(zip_longest(source, map(custom_id, range(lines)))):
            if line is None or expected is None:
                raise WrongResult(f"The output has {'fewer' if line is None else 'more'} than {lines} lines.")
            result = decode(line)
            if result.custom_id != expected or result.response.status_code != 200:
                raise WrongResult(f"Line {number + 1} of the output is {line[:200]!r}, expected {expected} and 200.")


def check_arrivals(stats: dict[str, Any], *, lines: int) -> None:
    """Each request reached the upstream, and none twice. Raises WrongResult."""
    if (stats["requests"], stats["markers"], stats["repeated"]) != (lines, lines, 0):
        raise WrongResult(f"The upstream saw {stats}, expected {lines} requests, each once.")

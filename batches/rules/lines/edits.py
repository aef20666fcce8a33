"""Edits: another body for the request of an input line, checked by the rules of the input, with its differences. Pure rules."""

import re
from dataclasses import dataclass

import msgspec

from batches.rules.lines.jsonl import Line, is_too_deep
from batches.rules.lines.line_rules import LineChecker, LineRules, Problem

_BYTE = re.compile(r" \(byte (\d+)\)$")
_NAME = re.compile(r"[\w.-]{1,40}", re.ASCII)
MOST_NAMES = 10

_Members = dict[str, msgspec.Raw]
_decode_members = msgspec.json.Decoder(_Members).decode
_check = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True, slots=True)
class Edit:
    """A line with another body: both bodies on one line each, and the `line` without its end. Unusable if it has `problems`."""

    before: bytes
    after: bytes
    line: bytes
    problems: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The names of the members of the body that are different, never their values."""
        old, new = _members(self.before), _members(self.after)
        parts = (
            ("changed", [name for name in new if name in old and new[name] != old[name]]),
            ("added", [name for name in new if name not in old]),
            ("removed", [name for name in old if name not in new]),
        )
        return "; ".join(f"{word} {_listed(names)}" for word, names in parts if names)


def edit(content: bytes, text: str, *, rules: LineRules) -> Edit:
    """The line with this text as its body, with all problems by the rules of its batch."""
    members = _decode_members(content)
    before = _on_one_line(bytes(members["body"]))
    after, problem = _body(text)
    if problem:
        return Edit(before, b"", b"", (problem,))
    if after == before:
        return Edit(before, after, content, ("Nothing is different. Retry it as it is instead.",))
    line = msgspec.json.encode({**members, "body": msgspec.Raw(after)})
    fits = line if len(line) <= rules.max_line_bytes else None
    _, problems = LineChecker(rules).check(Line(1, 0, len(line), fits))
    return Edit(before, after, line, tuple(_sentence(found) for found in problems))


def _body(text: str) -> tuple[bytes, str]:
    """The text as JSON on one line, or a sentence about its problem."""
    try:
        content = text.encode()
        _check(content)
        if is_too_deep(content):
            raise RecursionError
    except UnicodeEncodeError:
        return b"", "The body is not valid UTF-8."
    except RecursionError:
        return b"", "The body is nested too deeply."
    except msgspec.DecodeError as error:
        return b"", f"The body is not valid JSON: {_where(str(error), content)}."
    return _on_one_line(content), ""


def _where(message: str, content: bytes) -> str:
    """A parser's message with the number of the line in place of the byte."""
    message = message.removeprefix("JSON is malformed: ")
    if not (byte := _BYTE.search(message)):
        return "it ends too early"
    line = content[: int(byte[1])].count(b"\n") + 1
    return f"{_BYTE.sub('', message)} in line {line}"


def _sentence(problem: Problem) -> str:
    return problem.message if problem.code != "line_too_large" else f"The request is too large. {problem.message}"


def _on_one_line(body: bytes) -> bytes:
    return msgspec.json.format(body, indent=-1)


def _members(body: bytes) -> dict[str, bytes]:
    """The members of a body by name. Only an object has any."""
    return {name: bytes(value) for name, value in _decode_members(body).items()} if body.startswith(b"{") else {}


def _listed(names: list[str]) -> str:
    """The names as a list in words. Clients choose the names, so only plain ones are listed, and the rest is counted."""
    known = [name for name in names if _NAME.fullmatch(name)][:MOST_NAMES]
    rest = len(names) - len(known)
    return ", ".join([*known, f"{rest} more"] if rest else known)

"""The rules for input lines, and the problems of lines that break them (codes: the OpenAI batch API). Pure rules."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from batches.rules.lines.jsonl import Line, complaint, is_too_deep


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why an input is invalid. `line` is empty for a problem of the input as a whole."""

    code: str
    message: str
    param: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class LineRules:
    """The rules for the lines of one batch. Most of them depend on the dialect."""

    endpoint: str
    one_model: bool = True  # whether all lines must name the same model
    names_endpoint: bool = True  # whether each line has a method and a url
    asks_a_model: bool = True  # whether `model` and `stream` of the body have a meaning; else the body is any JSON object
    model: str = ""  # the model of a body that names none; a body that names another one is refused
    provider: str = ""  # the name before a model that may be left out: `provider/model` is the same model
    max_lines: int = 50_000
    max_custom_id_chars: int = 512
    max_line_bytes: int = 16 * 1024**2


class _Body(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None


class _Document(msgspec.Struct):
    model: ClassVar[None] = None
    stream: ClassVar[None] = None


_AnyBody = TypeVar("_AnyBody", _Body, _Document)


class _Input(msgspec.Struct, Generic[_AnyBody]):
    custom_id: str
    body: _AnyBody
    method: str | None = None
    url: str | None = None


class _Named(msgspec.Struct):
    custom_id: str


_decode_named = msgspec.json.Decoder(_Named).decode
_decode_question = msgspec.json.Decoder(_Input[_Body]).decode
_decode_document = msgspec.json.Decoder(_Input[_Document]).decode
_Complaint = tuple[str, str, str]  # code, message, param
MODEL_CHARS = 200
QUALIFIED_MODEL_CHARS = 300  # the length of a model with the name of a provider before it
_PATH = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"^Object missing required field (\S+)")
_MODEL_IS_NEEDED = frozenset({"/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions", "/v1/messages"})


class LineChecker:
    """Checks the lines of one input in order, and remembers their custom_ids and model to compare them."""

    def __init__(self, rules: LineRules) -> None:
        self.rules = rules
        self.model = rules.model  # the model of all lines so far; empty if they name none, or several
        self.lines = 0  # how many lines were read, including those after the limit
        self._first_model = ""
        self._model_line = 0
        self._lines_by_custom_id: dict[str, int] = {}

    def check(self, line: Line) -> tuple[str, list[Problem]]:
        """The line's custom_id, and the problems of the line. The custom_id is empty if it cannot be read or used."""
        content = line.content
        if content is None:
            limit = self.rules.max_line_bytes
            return "", [Problem("line_too_large", f"The line has more than {limit} bytes.", "", line.number)]
        try:
            if not content.isascii():
                content.decode()
            request = _decode_question(content) if self.rules.asks_a_model else _decode_document(content)
            if is_too_deep(content):
                raise RecursionError
        except UnicodeDecodeError as error:
            return "", [_not_json(line, f"It is not valid UTF-8 (byte {error.start + 1} of the line).")]
        except RecursionError:
            return "", [_not_json(line, "It is nested too deeply.")]
        except msgspec.ValidationError as error:
            found = [_wrong_shape(line, str(error))]
            custom_id = _custom_id_of(content)
            complaint_of_id = self._id_complaint(custom_id, line.number) if custom_id else None
            if complaint_of_id:
                found.append(Problem(*complaint_of_id, line.number))
            return "" if complaint_of_id else custom_id, found
        except msgspec.DecodeError as error:
            return "", [_not_json(line, f"{complaint(error, content)}.")]
        complaint_of_id = self._id_complaint(request.custom_id, line.number)
        problems = [Problem(*complaint_of_id, line.number)] if complaint_of_id else []
        problems += [Problem(*found, line.number) for found in self._complaints(request)]
        if self.rules.asks_a_model:
            of_model = self._model_complaint(request.body.model, line.number, is_good=not problems)
            problems += [Problem(*of_model, line.number)] if of_model else []
        return "" if complaint_of_id else request.custom_id, problems

    def _id_complaint(self, custom_id: str, number: int) -> "_Complaint | None":
        if not custom_id:
            return "invalid_request", "custom_id is empty.", "custom_id"
        if len(custom_id) > self.rules.max_custom_id_chars:
            return "invalid_request", f"custom_id has more than {self.rules.max_custom_id_chars} characters.", "custom_id"
        if "\x00" in custom_id:
            return "invalid_request", "custom_id contains a NUL character.", "custom_id"
        if (earlier := self._lines_by_custom_id.setdefault(custom_id, number)) != number:
            return "duplicate_custom_id", f"custom_id '{custom_id}' was already used on line {earlier}.", "custom_id"
        return None

    def _complaints(self, request: _Input[Any]) -> Iterable["_Complaint"]:
        rules = self.rules
        if rules.names_endpoint:
            if request.method is None:
                yield "missing_required_parameter", "method is missing; it must be POST.", "method"
            elif request.method != "POST":
                yield "invalid_method", f"method is {_shown(request.method)}; it must be POST.", "method"
            if request.url is None:
                yield "missing_required_parameter", f"url is missing; it must be {rules.endpoint}.", "url"
            elif request.url not in (rules.endpoint, rules.endpoint.removeprefix("/v1")):  # Azure's clients leave `/v1` out
                yield "url_mismatch", f"url is {_shown(request.url)}; the batch's endpoint is {rules.endpoint}.", "url"
        if request.body.stream:
            yield "invalid_request", "A batch cannot stream: leave body.stream out.", "body.stream"

    def _model_complaint(self, model: str | None, number: int, *, is_good: bool) -> "_Complaint | None":
        """The problem of a line's model. The first line that `is_good` otherwise sets the model of a batch with one model."""
        rules = self.rules
        if rules.model:
            if not model or model in (rules.model, f"{rules.provider}/{rules.model}"):
                return None
            return "model_mismatch", f"model is {_shown(model)}; the batch's model is {rules.model}.", "body.model"
        if not model:
            if rules.one_model and rules.endpoint in _MODEL_IS_NEEDED:
                return "missing_required_parameter", "body.model is missing.", "body.model"
        elif len(model) > MODEL_CHARS or "\x00" in model:
            if rules.one_model:
                return "invalid_request", "body.model is not a usable name.", "body.model"
        elif not self._first_model:
            if is_good:
                self.model = self._first_model = model
                self._model_line = number
        elif model != self._first_model:
            if rules.one_model:
                message = f"model is {model}; line {self._model_line} has {self._first_model}, and a batch has one model."
                return "model_mismatch", message, "body.model"
            self.model = ""
        return None


def _custom_id_of(content: bytes) -> str:
    """The custom_id of a line that is otherwise no request; empty if it has none."""
    try:
        return _decode_named(content).custom_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _shown(text: str) -> str:
    """A client's word in a message: shortened, and without NUL, which no database takes."""
    return text[:200].replace("\x00", "␀")


def _not_json(line: Line, why: str) -> Problem:
    return Problem("invalid_json_line", f"The line is not valid JSON: {why}", "", line.number)


def _wrong_shape(line: Line, message: str) -> Problem:
    """The problem in a message of msgspec, which ends in the path of the wrong value."""
    path = _PATH.search(message)
    param = path[1] if path else ""
    message = _PATH.sub("", message).replace("`", "")
    if missing := _MISSING.match(message):
        name = f"{param}.{missing[1]}" if param else missing[1]
        return Problem("missing_required_parameter", f"{name} is missing.", name, line.number)
    if not param:
        return Problem("invalid_json_line", f"The line is not a JSON object: {message.lower()}.", "", line.number)
    return Problem("invalid_request", f"{param} has the wrong type: {message.lower()}.", param, line.number)

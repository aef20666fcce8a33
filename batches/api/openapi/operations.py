"""The operations of the OpenAPI document, for the page that explains the native API."""

import json
import re
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from batches.api.openapi.examples import ANSWERS
from batches.api.openapi.samples import Sample, Schema, calls, example, pretty, resolved
from batches.api.openapi.schema import BASE


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body."""

    name: str
    kind: str
    choices: list[str]
    required: bool
    about: SafeString
    where: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One possible answer of a call, and the fields of its body, or of an item of its list."""

    status: str
    about: SafeString
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API."""

    id: str
    method: str
    path: str
    summary: str
    about: SafeString
    parameters: list[Field]
    body: list[Field]
    answers: list[Answer]
    calls: list[Sample]
    result: str

    @property
    def good(self) -> list[Answer]:
        """The answers to a call that succeeds."""
        return [answer for answer in self.answers if answer.status < "300"]

    @property
    def bad(self) -> list[Answer]:
        """The answers to a call that fails."""
        return [answer for answer in self.answers if answer.status >= "300"]

    @property
    def browsable(self) -> bool:
        """Whether people who are signed in can make this call by following a link."""
        return self.method == "GET" and "{" not in self.path


@dataclass(frozen=True, slots=True)
class Section:
    """The calls for one kind of thing."""

    name: str
    operations: list[Operation]

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-")


def read_operation(path: str, method: str, operation: Schema) -> Operation:
    """An operation, read from the document."""
    bodies: dict[str, Schema] = operation.get("requestBody", {}).get("content", {})
    kind = next(iter(bodies), "")
    content = bodies.get(kind, {})
    body = resolved(content.get("schema", {}))
    answers = [_answer(status, answer) for status, answer in sorted(operation["responses"].items())]
    good = next(answer for status, answer in sorted(operation["responses"].items(), reverse=True) if status < "300")
    returned = good.get("content", {}).get("application/json", {}).get("schema")
    result = example(returned) | dict(ANSWERS.get(operation["operationId"]) or ()) if returned else None
    return Operation(
        id=operation["operationId"],
        method=method,
        path=path.removeprefix(BASE),
        summary=operation["summary"],
        about=prose(operation["description"]),
        parameters=[_parameter(parameter) for parameter in operation.get("parameters", ())],
        body=_fields(body),
        answers=answers,
        calls=list(calls(path, method, kind, content, body)),
        result=pretty(result) if result else "",
    )


def _parameter(parameter: Schema) -> Field:
    kind, choices = _kind(parameter["schema"])
    about = _inline(parameter.get("description", ""))
    return Field(parameter["name"], kind, choices, parameter.get("required", False), about, parameter["in"])


def _answer(status: str, answer: Schema) -> Answer:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    about = _inline(answer.get("description") or "As it says.")
    if status >= "300":
        return Answer(status, about, [])
    body = resolved(schema)
    items = body.get("properties", {}).get("data", {}).get("items")
    described = answer.get("description") or (resolved(items or schema).get("description", "").split("\n")[0])
    return Answer(status, _inline(described), _fields(resolved(items) if items else body))


def _fields(schema: Schema, *, within: str = "") -> list[Field]:
    """The fields of an object. Each is followed by the fields inside it, such as `counts.total` or `requests[].body`."""
    required = schema.get("required", ())
    shown = []
    for name, declared in schema.get("properties", {}).items():
        kind, choices = _kind(declared)
        shown.append(Field(within + name, kind, choices, name in required, _about(declared)))
        inner = resolved(declared)
        if inner.get("type") == "array":
            shown += _fields(resolved(inner["items"]), within=f"{within}{name}[].")
        else:
            shown += _fields(inner, within=f"{within}{name}.")
    return shown


def _about(schema: Schema) -> SafeString:
    text = schema.get("description") or resolved(schema).get("description", "")
    if "default" in schema and schema["default"] not in (None, ""):
        text += f" Default: `{json.dumps(schema['default']).strip(chr(34))}`."
    return _inline(text)


def _kind(schema: Schema) -> tuple[str, list[str]]:
    """The type of a value in a word or two, and the allowed words if it is one of several."""
    nullable = " or null" if schema.get("nullable") else ""
    plain = resolved(schema)
    if plain.get("type") == "array":
        kind, choices = _kind(plain["items"])
        return ("any of" if choices else f"list of {kind}"), choices
    if values := plain.get("enum"):
        return f"one of{nullable}", [str(value) for value in values if value is not None]
    words = {"date-time": "time", "uri": "URL", "binary": "file"}
    name = words.get(plain.get("format", ""), plain.get("type", "any JSON"))
    bounds = ""
    if "minimum" in plain and "maximum" in plain:
        bounds = f" {plain['minimum']:,}–{plain['maximum']:,}"
    return f"{name}{bounds}{nullable}", []


def prose(text: str) -> SafeString:
    """The HTML of paragraphs. Text in backticks becomes code."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))
    return mark_safe("".join(f"<p>{_inline(paragraph)}</p>" for paragraph in paragraphs if paragraph))  # noqa: S308 - escaped


def _inline(text: str) -> SafeString:
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))  # noqa: S308 - escaped

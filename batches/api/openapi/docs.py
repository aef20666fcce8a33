"""The page that explains the native API: made of the OpenAPI document, without a script."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from batches.api.openapi.document import document
from batches.api.openapi.examples import ANSWERS, BATCH_ID, DEADLINE, FILE_ID, GROUP, HOST, MOMENT, value_of
from batches.api.openapi.schema import BASE

KEY = '-H "Authorization: Bearer $API_KEY"'
IN_PATHS = {"batch_id": BATCH_ID, "file_id": FILE_ID, "fingerprint": GROUP, "line": "1", "name": "gateway"}
SECTIONS = ("Batches", "Inside a batch", "Error groups", "Files", "Providers", "Quotas", "Emergency stops")

Schema = Mapping[str, Any]


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
class Sample:
    """Something to look at, or to copy."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a call is answered, and the fields of its body, or of an item of its list."""

    status: str
    about: SafeString
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

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
        """The answers to a call that went well."""
        return [answer for answer in self.answers if answer.status < "300"]

    @property
    def bad(self) -> list[Answer]:
        """The answers to any other, all of them errors."""
        return [answer for answer in self.answers if answer.status >= "300"]

    @property
    def browsable(self) -> bool:
        """Whether following a link makes this call, for those who are signed in."""
        return self.method == "GET" and "{" not in self.path


@dataclass(frozen=True, slots=True)
class Section:
    """The calls about one kind of thing."""

    name: str
    operations: list[Operation]

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-")


@require_safe
def docs_page(request: HttpRequest) -> HttpResponse:
    """What there is to call, how, and what comes back; for everybody."""
    host = request.build_absolute_uri("/").rstrip("/")
    context = {
        "sections": sections(host),
        "steps": {name: text.replace(HOST, host) for name, text in STEPS.items()},
        "dialects": [(name, host + path) for name, path in DIALECTS],
        "base": BASE,
        "error": ERROR,
    }
    return render(request, "api/docs.html", context)


@cache
def _operations() -> list[tuple[str, Operation]]:
    return [
        (operation["tags"][0], _operation(path, method.upper(), operation))
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    ]


def sections(host: str) -> list[Section]:
    """Every operation by section, in the order of their paths; `host` is where the calls go."""
    found: dict[str, list[Operation]] = {}
    for name, operation in _operations():
        calls = [Sample(sample.label, sample.text.replace(HOST, host)) for sample in operation.calls]
        result = operation.result.replace(HOST, host)
        found.setdefault(name, []).append(replace(operation, calls=calls, result=result))
    return [Section(name, found[name]) for name in SECTIONS]


def prose(text: str) -> SafeString:
    """Paragraphs, with what stands in backticks as code."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))
    return mark_safe("".join(f"<p>{_inline(paragraph)}</p>" for paragraph in paragraphs if paragraph))  # noqa: S308 - escaped


def _inline(text: str) -> SafeString:
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))  # noqa: S308 - escaped


def _operation(path: str, method: str, operation: Schema) -> Operation:
    bodies: dict[str, Schema] = operation.get("requestBody", {}).get("content", {})
    kind = next(iter(bodies), "")
    content = bodies.get(kind, {})
    body = _resolved(content.get("schema", {}))
    answers = [_answer(status, answer) for status, answer in sorted(operation["responses"].items())]
    good = next(answer for status, answer in sorted(operation["responses"].items(), reverse=True) if status < "300")
    returned = good.get("content", {}).get("application/json", {}).get("schema")
    result = _example(returned) | dict(ANSWERS.get(operation["operationId"]) or ()) if returned else None
    return Operation(
        id=operation["operationId"],
        method=method,
        path=path.removeprefix(BASE),
        summary=operation["summary"],
        about=prose(operation["description"]),
        parameters=[_parameter(parameter) for parameter in operation.get("parameters", ())],
        body=_fields(body),
        answers=answers,
        calls=list(_calls(path, method, kind, content, body)),
        result=_pretty(result) if result else "",
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
    resolved = _resolved(schema)
    items = resolved.get("properties", {}).get("data", {}).get("items")
    described = answer.get("description") or (_resolved(items or schema).get("description", "").split("\n")[0])
    return Answer(status, _inline(described), _fields(_resolved(items) if items else resolved))


def _fields(schema: Schema, *, within: str = "") -> list[Field]:
    """The fields of an object, and behind each those inside it: `counts.total`, `requests[].body`."""
    required = schema.get("required", ())
    shown = []
    for name, declared in schema.get("properties", {}).items():
        kind, choices = _kind(declared)
        shown.append(Field(within + name, kind, choices, name in required, _about(declared)))
        inner = _resolved(declared)
        if inner.get("type") == "array":
            shown += _fields(_resolved(inner["items"]), within=f"{within}{name}[].")
        else:
            shown += _fields(inner, within=f"{within}{name}.")
    return shown


def _about(schema: Schema) -> SafeString:
    text = schema.get("description") or _resolved(schema).get("description", "")
    if "default" in schema and schema["default"] not in (None, ""):
        text += f" Default: `{json.dumps(schema['default']).strip(chr(34))}`."
    return _inline(text)


def _kind(schema: Schema) -> tuple[str, list[str]]:
    """What a value is, in a word or two, and the words that it may be."""
    nullable = " or null" if schema.get("nullable") else ""
    plain = _resolved(schema)
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


def _resolved(schema: Schema) -> Schema:
    """A schema with its reference followed."""
    for combined in ("allOf", "oneOf"):
        if combined in schema:
            return _resolved(schema[combined][0])
    if reference := schema.get("$ref"):
        found: Schema = document()["components"]["schemas"][reference.rpartition("/")[2]]
        return found
    return schema


def _example(schema: Schema, *, component: str = "", name: str = "") -> Any:
    """A value that a schema allows: the example that is known for it, else one of its type."""
    with suppress(KeyError):
        return value_of(component, name)
    if "example" in schema:
        return schema["example"]
    if reference := schema.get("$ref"):
        component = reference.rpartition("/")[2]
    elif "allOf" in schema:
        return _example(schema["allOf"][0])
    plain = _resolved(schema)
    if properties := plain.get("properties"):
        return {field: _example(declared, component=component, name=field) for field, declared in properties.items()}
    if plain.get("type") == "array":
        return [_example(plain["items"])]
    if plain.get("format") == "date-time":
        return DEADLINE if name == "expires_at" else MOMENT
    return {"integer": 0, "boolean": False}.get(plain.get("type", ""), plain.get("enum", ["text"])[0])


def _calls(path: str, method: str, kind: str, content: Schema, body: Schema) -> Iterable[Sample]:
    """The call as a command, once for each example of its body."""
    url = HOST + re.sub(r"\{(\w+)\}", lambda match: IN_PATHS[match[1]], path)
    command = f"curl {shlex.quote(url)} \\\n  {KEY}"
    if kind.startswith("multipart/"):
        yield Sample("", f"{command} \\\n  -F file=@requests.jsonl")
    elif examples := content.get("examples"):
        for named in examples.values():
            yield Sample(named.get("summary", ""), _with_body(command, named["value"]))
    elif body:
        yield Sample("", _with_body(command, _example(content["schema"])))
    else:
        yield Sample("", command if method == "GET" else f"{command} \\\n  -X {method}")


def _with_body(command: str, value: Any) -> str:
    return f'{command} \\\n  -H "Content-Type: application/json" \\\n  -d {shlex.quote(_pretty(value))}'


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


STEPS = {
    "create": f"""curl {HOST}{BASE}/batches {KEY} \\
  -H "Content-Type: application/json" -d '{{
  "endpoint": "/v1/chat/completions",
  "requests": [
    {{"custom_id": "few", "body": {{"model": "any", "messages": [{{"role": "user", "content": "One word for: not many."}}]}}}},
    {{"custom_id": "many", "body": {{"model": "any", "messages": [{{"role": "user", "content": "One word for: a lot."}}]}}}}
  ]
}}'""",
    "retrieve": f"curl {HOST}{BASE}/batches/batch_… {KEY}",
    "results": f"curl {HOST}{BASE}/batches/batch_…/results {KEY}",
}
# Under which base URL each client finds its contract.
DIALECTS = (
    ("OpenAI", "/v1"),
    ("Anthropic", "/anthropic"),
    ("Bifrost", "/bifrost/v1"),
    ("Novita", "/openai/v1"),
    ("Merge", "/api"),
)
ERROR = _pretty(
    {
        "error": {
            "code": "unknown_parameter",
            "message": "There is no filter “colour”.",
            "param": "colour",
            "request_id": "req_5b0c8f5f2f0e4d21a0d34d6d9a1c77e0",
        }
    }
)

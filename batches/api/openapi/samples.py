"""Sample values and commands for the page that explains the native API, made from the OpenAPI document."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from batches.api.openapi.document import document
from batches.api.openapi.examples import (
    DEADLINE,
    DELIVERY_ID,
    ENDPOINT_ID,
    FILE_ID,
    GROUP,
    HOST,
    JOB_ID,
    MOMENT,
    value_of,
)
from batches.api.openapi.kept_examples import BATCH_ID, ERASURE_ID, HOLD_ID

KEY = '-H "Authorization: Bearer $API_KEY"'
IN_PATHS = {
    "batch_id": BATCH_ID,
    "delivery_id": DELIVERY_ID,
    "endpoint_id": ENDPOINT_ID,
    "erasure_id": ERASURE_ID,
    "file_id": FILE_ID,
    "fingerprint": GROUP,
    "hold_id": HOLD_ID,
    "job_id": JOB_ID,
    "line": "1",
    "name": "gateway",
}

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample to read or to copy."""

    label: str
    text: str


def resolved(schema: Schema) -> Schema:
    """A schema; if it is a reference, the schema that it refers to."""
    for combined in ("allOf", "oneOf"):
        if combined in schema:
            return resolved(schema[combined][0])
    if reference := schema.get("$ref"):
        found: Schema = document()["components"]["schemas"][reference.rpartition("/")[2]]
        return found
    return schema


def example(schema: Schema, *, component: str = "", name: str = "") -> Any:
    """A value that a schema allows: its known example, or else a value of its type."""
    with suppress(KeyError):
        return value_of(component, name)
    if "example" in schema:
        return schema["example"]
    if reference := schema.get("$ref"):
        component = reference.rpartition("/")[2]
    elif "allOf" in schema:
        return example(schema["allOf"][0])
    plain = resolved(schema)
    if properties := plain.get("properties"):
        return {field: example(declared, component=component, name=field) for field, declared in properties.items()}
    if plain.get("type") == "array":
        return [example(plain["items"])]
    if plain.get("format") == "date-time":
        return DEADLINE if name == "expires_at" else MOMENT
    return {"integer": 0, "boolean": False}.get(plain.get("type", ""), plain.get("enum", ["text"])[0])


def calls(path: str, method: str, kind: str, content: Schema, body: Schema) -> Iterable[Sample]:
    """The call as a command: one sample for each example of its body."""
    url = HOST + re.sub(r"\{(\w+)\}", lambda match: IN_PATHS[match[1]], path)
    command = f"curl {shlex.quote(url)} \\\n  {KEY}"
    if kind.startswith("multipart/"):
        yield Sample("", f"{command} \\\n  -F file=@requests.jsonl")
    elif examples := content.get("examples"):
        for named in examples.values():
            yield Sample(named.get("summary", ""), _with_body(command, named["value"]))
    elif body:
        yield Sample("", _with_body(command, example(content["schema"])))
    else:
        yield Sample("", command if method == "GET" else f"{command} \\\n  -X {method}")


def _with_body(command: str, value: Any) -> str:
    return f'{command} \\\n  -H "Content-Type: application/json" \\\n  -d {shlex.quote(pretty(value))}'


def pretty(value: Any) -> str:
    """A value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)

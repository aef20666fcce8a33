"""The native API's promise: each change of the document is acknowledged, and version 1 removes nothing."""

from copy import deepcopy
from difflib import unified_diff
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from drf_spectacular.renderers import OpenApiYamlRenderer

from batches.api.openapi.document import document
from tests.api.openapi.promise import broken

KEPT = Path(__file__).parent / "v1.yaml"
SHOWN = 60  # the most lines of a difference that a failure shows


@cache
def kept() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(KEPT.read_text())
    return found


def test_the_document_is_the_one_that_is_kept() -> None:
    now: str = OpenApiYamlRenderer().render(document(), renderer_context={}).decode()  # type: ignore[no-untyped-call]
    if kept() == yaml.safe_load(now):
        return
    difference = list(unified_diff(KEPT.read_text().splitlines(), now.splitlines(), "kept", "now", lineterm="", n=2))
    breaks = "\n".join(broken(kept(), yaml.safe_load(now))) or "nothing"
    pytest.fail(
        "The native API is another than tests/api/openapi/v1.yaml says.\n"
        f"Of what clients of version 1 rely on, this breaks: {breaks}.\n"
        "If it breaks something, undo that: batches/api/README.md promises that version 1 takes nothing away.\n"
        "If it only adds, or says something better: run `make openapi`, look at the difference, commit the file with the"
        " change, and name it in CHANGELOG.md.\n\n" + "\n".join(difference[:SHOWN])
    )


def parameter(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A parameter of the list of batches."""
    found: dict[str, Any] = next(one for one in document["paths"]["/api/v1/batches"]["get"]["parameters"] if one["name"] == name)
    return found


def test_what_is_added_or_said_better_breaks_nothing() -> None:
    changed = deepcopy(kept())
    changed["paths"]["/api/v1/news"] = changed["paths"]["/api/v1/quotas"]
    changed["components"]["schemas"]["File"]["properties"]["news"] = {"type": "string"}
    changed["components"]["schemas"]["File"]["description"] = "Said better."
    changed["components"]["schemas"]["File"]["required"] += ["news"]  # it is in every answer
    changed["components"]["schemas"]["Batch"]["properties"]["dialect"] |= {"x-spec-enum-id": "another"}
    changed["paths"]["/api/v1/batches"]["get"]["parameters"].insert(0, {"in": "query", "name": "news", "schema": {}})
    assert list(broken(kept(), changed)) == []


def test_what_is_taken_away_changed_or_newly_demanded_is_named() -> None:
    changed = deepcopy(kept())
    del changed["paths"]["/api/v1/quotas"]
    schemas = changed["components"]["schemas"]
    schemas["File"]["properties"]["bytes"]["type"] = "string"
    schemas["CreateBatch"]["required"] += ["remark"]
    changed["paths"]["/api/v1/batches"]["get"]["parameters"].remove(parameter(changed, "status"))
    parameter(changed, "text")["required"] = True
    found = "\n".join(broken(kept(), changed))
    for part in (
        "/api/v1/quotas is gone",
        "File/properties/bytes/type was 'integer'",
        "CreateBatch/required/remark is demanded",
        "query status is gone",
        "query text",
    ):
        assert part in found

"""The OpenAPI document: it is valid, it is served, and the portal behaves as it describes."""

import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command

from batches.api.urls import urlpatterns
from tests.api.conftest import Native
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

SECONDS = 400


def test_the_document_is_valid_and_made_without_a_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_everybody_may_read_the_document_as_json_or_yaml(nobody: Native) -> None:
    as_json, as_yaml = nobody.get("/api/schema"), nobody.get("/api/schema?format=yaml")
    assert as_json.headers["Content-Type"] == "application/json"
    assert as_yaml.headers["Content-Type"] == "application/yaml"
    assert as_json.json == yaml.safe_load(as_yaml.content)
    assert nobody.get("/api/schema?format=xml").status == 400


def test_the_document_describes_this_api_and_no_dialect(nobody: Native) -> None:
    paths = nobody.get("/api/schema").json["paths"]
    routes = (str(pattern.pattern) for pattern in urlpatterns)
    assert set(paths) == {"/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route) for route in routes if route.startswith("v1/")}


def test_every_operation_says_what_it_does_and_how_it_fails(nobody: Native) -> None:
    document = nobody.get("/api/schema").json
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert {"400", "401", "403", "413", "503"} <= set(operation["responses"])
            named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
            assert ("404" in operation["responses"]) or not ("{" in path or "batch" in named), path


@pytest.mark.long
@pytest.mark.once
def test_no_call_that_the_document_allows_is_answered_otherwise_than_it_says(
    portal: Portal, make_batch: MakeBatch, tmp_path: Path
) -> None:
    batch = make_batch(succeeded=2, failed=1)
    assert batch.input_file is not None
    parameters = {"path.batch_id": str(batch), "path.file_id": str(batch.input_file), "path.name": "simulator", "path.line": 2}
    parameters["path.fingerprint"] = "v1:same"
    config = tmp_path / "schemathesis.toml"
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items()]
    config.write_text("\n".join(["[parameters]", *lines]))
    # A generated cursor or id may have the right form and still be unknown to this portal: 400 and 404 are then right.
    # On a connection that is kept, the test server's answers wait for acknowledgements.
    arguments = f"--config-file {config} run {portal.url}/api/schema --seed 1 --max-examples 8 --workers 1"
    options = ["--phases", "examples,coverage,fuzzing", "--exclude-checks", "positive_data_acceptance"]
    headers = ["--header", f"Authorization: Bearer {portal.key}", "--header", "Connection: close"]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *arguments.split(), *options, *headers],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

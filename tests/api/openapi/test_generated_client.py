"""C14: clients that are generated from the OpenAPI document compile, and work against a portal."""

import importlib
import json
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from batches.api.openapi.document import document
from batches.filters import BatchFilter
from tests.conftest import Portal

SECONDS = 240
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that no variable of TypeScript may have.
RESERVED = frozenset(
    {
        *("break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else", "enum"),
        *("export", "extends", "false", "finally", "for", "function", "if", "implements", "import", "in", "instanceof"),
        *("interface", "let", "new", "null", "package", "private", "protected", "public", "return", "static", "super"),
        *("switch", "this", "throw", "true", "try", "typeof", "var", "void", "while", "with", "yield"),
    }
)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def is_usable(name: str) -> bool:
    return IDENTIFIER.fullmatch(name) is not None and not keyword.iskeyword(name) and name not in RESERVED


def test_every_operation_and_parameter_has_a_name_that_programs_can_use() -> None:
    ids = [operation["operationId"] for _, operation in operations()]
    assert len(ids) == len(set(ids))
    assert [name for name in ids if not is_usable(name)] == []
    assert "list_batches" in ids
    for where, operation in operations():
        parameters = operation.get("parameters", ())
        names = [each["name"] for each in parameters if each["in"] != "header"]
        assert [name for name in names if not is_usable(name)] == [], where
        as_python = [re.sub(r"\W", "_", each["name"]).lower() for each in parameters]
        assert len(as_python) == len(set(as_python)), f"{where}: two parameters have one name in python"
        headers = [each["name"] for each in parameters if each["in"] == "header"]
        assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name) for name in headers), where


def test_every_component_has_a_name_that_programs_can_use() -> None:
    for kind, components in document()["components"].items():
        assert [name for name in components if kind == "schemas" and not is_usable(name)] == []


def test_negations_are_in_the_document_under_one_name_each() -> None:
    parameters = {each["name"] for each in document()["paths"]["/api/v1/batches"]["get"]["parameters"]}
    assert {f"not_{name}" for name in BatchFilter.negatable} <= parameters
    assert not any("!" in name for name in parameters)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The client that openapi-python-client makes of the document."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "schema.json").write_text(json.dumps(document()))
    (folder / "config.yaml").write_text("post_hooks: []\npackage_name_override: made\n")
    command = "generate --path schema.json --config config.yaml --meta none --output-path made"
    done = subprocess.run(
        [str(Path(sys.executable).parent / "openapi-python-client"), *command.split()],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Endpoint will not be generated" not in said, said
    sys.path.insert(0, str(folder))
    yield folder / "made"
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name == "made" or name.startswith("made.")]:
        del sys.modules[name]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"made.{name}")


@pytest.mark.once
def test_a_generated_client_compiles_lists_creates_and_is_told_errors(package: Path, portal: Portal) -> None:
    for path in package.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
    with module("client").AuthenticatedClient(base_url=portal.url, token=portal.key) as client:
        assert_works(client)


def assert_works(client: Any) -> None:
    """Assert that the client can list with filters, create, retrieve and cancel, and that it reads errors."""
    models = module("models")
    item = {"custom_id": "a", "body": {"model": "m", "messages": [{"role": "user", "content": "?"}]}}
    asked = models.CreateBatch.from_dict({"endpoint": "/v1/chat/completions", "requests": [item], "remark": "generated"})
    made = module("api.batches.create_batch").sync(client=client, body=asked)
    assert (made.status.value, made.remark, made.provider.name) == ("validating", "generated", "simulator")

    listing = module("api.batches.list_batches")
    statuses = module("models.list_batches_status_item").ListBatchesStatusItem
    nots = module("models.list_batches_not_status_item").ListBatchesNotStatusItem
    assert [batch.id for batch in listing.sync(client=client, status=[statuses.VALIDATING]).data] == [made.id]
    assert listing.sync(client=client, not_status=[nots.VALIDATING]).data == []
    assert [batch.id for batch in listing.sync(client=client, not_model=["other"], limit=1).data] == [made.id]

    shown = module("api.batches.retrieve_batch").sync(made.id, client=client)
    assert (shown.id, shown.remark) == (made.id, "generated")
    missing = module("api.batches.retrieve_batch").sync("batch_" + "0" * 32, client=client)
    assert missing.error.code == "not_found"
    refused = listing.sync(client=client, limit=1000)
    assert (refused.error.code, refused.error.param) == ("invalid_value", "limit")
    cancelled = module("api.batches.cancel_batch").sync(made.id, client=client, body=models.CancelBatch(note="enough"))
    assert cancelled.status.value in ("cancelling", "cancelled")
    listed = module("api.providers.list_models").sync(client=client)
    assert [model.id for model in listed.data] == ["any"]

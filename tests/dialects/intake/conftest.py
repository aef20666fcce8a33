"""Create calls at each face, and the files that they name."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from batches.models import Batch
from batches.services.lifecycle.validate import validate
from providers.models import Provider
from tests.api.conftest import Native
from tests.dialects.conformance import FACES, Face
from tests.dialects.openai.conftest import CHAT, Api

ASKED = [{"role": "user", "content": "x"}]

ITEM = {"custom_id": "a", "body": {"messages": [], "n": 1.50}}

NATIVE, OPENAI, BIFROST = "/api/v1/batches", "/v1/batches", "/bifrost/v1/batches"


@pytest.fixture
def api(key: str, simulator: Provider) -> Api:
    return Native(key)


@pytest.fixture(params=sorted(FACES))
def face(request: pytest.FixtureRequest, key: str, simulator: Provider) -> Face:
    return FACES[request.param](key)


def lines(*models: str | None) -> bytes:
    bodies: list[dict[str, Any]] = [{"messages": ASKED} | ({} if model is None else {"model": model}) for model in models]
    return b"".join(
        json.dumps({"custom_id": str(number), "method": "POST", "url": CHAT, "body": body}).encode() + b"\n"
        for number, body in enumerate(bodies)
    )


def uploaded(api: Api, content: bytes, *, at: str = "/v1/files", name: str = "jobs.jsonl") -> Any:
    form = {"purpose": "batch", "file": SimpleUploadedFile(name, content)}
    response = api.client.post(at, form, headers=api.headers)
    assert response.status_code in (200, 201), response.content
    return json.loads(response.content)


def validated() -> Batch:
    batch = Batch.objects.get()
    validate(batch.pk, now=timezone.now())
    batch.refresh_from_db()
    return batch

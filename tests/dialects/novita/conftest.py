"""A client of the Novita dialect, without a network."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from providers.models import Provider
from tests.dialects.openai.conftest import CHAT, Answer, Api

FILES = "/openai/v1/files"
BATCHES = "/openai/v1/batches"


def line(custom_id: object = "a", **changes: Any) -> bytes:
    """An input line, which needs neither method nor url."""
    body = {"model": "vendor/m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}
    return json.dumps({"custom_id": custom_id, "body": body} | changes).encode() + b"\n"


class Novita(Api):
    """Calls the portal as OpenAI's SDK would on this mount."""

    def upload(self, content: bytes = b"{}\n", *, name: str = "jobs.jsonl", **form: Any) -> Answer:
        return self.post_form(FILES, {"purpose": "batch"} | form | {"file": SimpleUploadedFile(name, content)})

    def batch(self, *lines: bytes, **changes: Any) -> Answer:
        """Create a batch; a change to None leaves the parameter out."""
        parameters = {"endpoint": CHAT, "completion_window": "48h"} | changes
        if "input_file_id" not in changes:
            parameters["input_file_id"] = self.file_id(b"".join(lines or (line(),)))
        return self.post(BATCHES, {name: value for name, value in parameters.items() if value is not None})

    def read(self, batch_id: str) -> Any:
        answer = self.get(f"{BATCHES}/{batch_id}")
        assert answer.status == 200
        return answer.json


@pytest.fixture
def api(key: str, simulator: Provider) -> Novita:
    """A client with a key of `project`."""
    return Novita(key)

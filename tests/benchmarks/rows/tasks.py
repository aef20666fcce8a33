"""Its one task."""

import os
from functools import cache
from typing import Any

from celery import shared_task
from openai import OpenAI

from tests.benchmarks.rows.models import Answer


@cache
def _client() -> OpenAI:
    return OpenAI(base_url=os.environ["ROWS_URL"], api_key="none")


@shared_task
def complete(custom_id: str, body: dict[str, Any]) -> None:
    """Ask for one chat completion, and keep the answer."""
    completion = _client().chat.completions.create(**body)
    Answer.objects.create(custom_id=custom_id, status=200, body=completion.model_dump_json())

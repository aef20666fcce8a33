"""Asking about many batches, and answering, as a browser does."""

import re
from typing import Any

from django.test import Client
from django.utils import timezone

from batches.models import Batch, BulkOperation
from batches.services.bulk.run import run

NEW = "/console/bulk/new/"
BACK = "/console/batches/?status=in_progress"


def ask(client: Client, *batches: Batch, act: str = "cancel", **more: Any) -> dict[str, Any]:
    """The question about these batches: what its form holds, `page` as it reads."""
    return question(client, {"act": act, "scope": "selected", "batch": [str(batch) for batch in batches], "back": BACK, **more})


def ask_all(client: Client, query: str = "", act: str = "cancel", **more: Any) -> dict[str, Any]:
    return question(client, {"act": act, "scope": "matching", "query": query, "back": BACK, **more})


def question(client: Client, form: dict[str, Any]) -> dict[str, Any]:
    page = client.post(NEW, form).content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    hidden: dict[str, Any] = {"page": main}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', main):
        hidden.setdefault(name, []).append(value.replace("&amp;", "&"))
    return hidden


def answer(client: Client, form: dict[str, Any], *, reason: str = "A wrong prompt", **more: Any) -> Any:
    """What the console answers to the order."""
    fields = {name: value for name, value in form.items() if name != "page"}
    return client.post(NEW, {**fields, "reason": reason, **more})


def finished(operation: BulkOperation) -> BulkOperation:
    run(operation.pk, now=timezone.now())
    operation.refresh_from_db()
    return operation

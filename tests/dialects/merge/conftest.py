"""A client of the Merge dialect, without a network."""

import json
from typing import Any

import pytest

from providers.models import Provider
from tests.dialects.openai.conftest import Answer, Api

BASE = "/api/accounting/v1"
MODELS = ("invoices", "expenses", "item-fulfillments", "sales-orders")


class Merge(Api):
    """Calls the portal as the SDK would, on behalf of a linked account."""

    def __init__(self, key: str | None, *, account: str | None = "simulator") -> None:
        super().__init__(key)
        if account is not None:
            self.headers["X-Account-Token"] = account

    def create(self, document: object, *, model: str = "invoices", base: str = BASE, **headers: str) -> Answer:
        """Post a body: bytes as they are, anything else as JSON."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", f"{base}/{model}/bulk", data=body, content_type="application/json", headers=named)

    def create_items(self, *ids: str, model: str = "invoices", **payload: Any) -> Answer:
        """Create a batch of items that all have this payload."""
        return self.create({"batch_items": [item(item_id, **payload) for item_id in ids]}, model=model)

    def batch_id(self, *ids: str, model: str = "invoices", **payload: Any) -> str:
        """The id of a fresh batch, which waits for validation."""
        return str(self.create_items(*(ids or ("a",)), model=model, **payload).json["batch_id"])

    def read(self, batch_id: str, *, model: str = "invoices", base: str = BASE) -> Answer:
        return self.get(f"{base}/{model}/bulk/{batch_id}")


def item(item_id: object, **payload: Any) -> dict[str, Any]:
    """One item of a bulk write."""
    return {"item_id": item_id, "payload": {"type": "ACCOUNTS_RECEIVABLE", "total_amount": 120.5} | payload}


def problem(answer: Answer) -> dict[str, Any]:
    """The only problem of an answer that refuses the content of a request."""
    assert answer.status == 400, answer.content
    assert set(answer.json) == {"errors", "warnings"}
    assert answer.json["warnings"] == []
    (found,) = answer.json["errors"]
    assert set(found) - {"source"} == {"title", "detail", "problem_type"}
    assert all(found.values())
    assert isinstance(found, dict)
    return found


def detail(answer: Answer) -> str:
    """What an answer says that refuses for any other reason."""
    assert set(answer.json) == {"detail"}, answer.content
    return str(answer.json["detail"])


@pytest.fixture
def merge(key: str, simulator: Provider) -> Merge:
    """A client with a key of `project`, for the simulator."""
    return Merge(key)


@pytest.fixture
def stranger(other_key: str, simulator: Provider) -> Merge:
    """A client with a key of `other_project`, for the simulator."""
    return Merge(other_key)

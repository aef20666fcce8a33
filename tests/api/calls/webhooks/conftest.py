"""An endpoint with a delivery, and a client that may do everything with them."""

import pytest

from batches.models import Batch, DeliveryStatus, Project, WebhookDelivery, WebhookEndpoint
from tests.console.conftest import MakeBatch
from tests.webhooks import make_delivery, make_endpoint


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch()


@pytest.fixture
def endpoint(project: Project, batch: Batch) -> WebhookEndpoint:
    """An endpoint that was added after the end of the batch, of which it was therefore not told."""
    return make_endpoint(project, name="Search")


@pytest.fixture
def delivery(endpoint: WebhookEndpoint, batch: Batch) -> WebhookDelivery:
    tried = {"attempts": 1, "http_status": 200, "answer": "Thank you", "took_ms": 84}
    return make_delivery(endpoint, batch=batch, status=DeliveryStatus.DELIVERED, **tried)

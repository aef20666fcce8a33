"""The views of webhook endpoints in the OpenAI dialect. Each view parses a call, calls one service, and renders the answer."""

from datetime import timedelta
from time import monotonic, sleep
from typing import ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.openai import inbound, outbound
from batches.dialects.openai.views import OpenAIView
from batches.http.fields import valid
from batches.http.paging import page_after, query_number
from batches.http.rendering import list_object
from batches.models import WebhookDelivery, WebhookEndpoint
from batches.rules import identifiers
from batches.rules.errors import Conflict, InvalidRequest, NotFound
from batches.services.webhooks import deliveries, endpoints

OVERLAP = timedelta(hours=24)  # of the contract
LOOK_SECONDS = 0.1  # how often a call that waits for a test looks whether it was sent


class TestFailed(InvalidRequest):
    """The endpoint gave no answer to the test."""

    code = "webhook_test_failed"


class TestWaits(Conflict):
    """The test was not sent yet: no worker was free in time. It is sent as soon as one is."""

    code = "webhook_test_waits"


class EndpointView(OpenAIView):
    """A view of webhook endpoints."""

    def find(self, text: str) -> WebhookEndpoint:
        """The project's endpoint with this id. Raises NotFound."""
        key = identifiers.parse(text)
        found = self.known().filter(pk=key).first() if key else None
        if found is None:
            raise NotFound(f"There is no webhook endpoint with the id {text[:100]!r}.", param="webhook_endpoint_id")
        return found

    def known(self) -> "QuerySet[WebhookEndpoint]":
        """The endpoints of the key's project."""
        return WebhookEndpoint.objects.filter(project=self.project).select_related("project")

    def answer(self, endpoint: WebhookEndpoint, **more: str) -> Response:
        """The answer that shows one endpoint, with further fields."""
        return Response(outbound.ShownWebhookEndpoint(endpoint).data | more)


class WebhookEndpoints(EndpointView):
    """/webhook_endpoints"""

    reads: ClassVar = {"GET": ("after", "limit")}

    def get(self, request: Request) -> Response:
        limit = query_number(request.query_params, "limit", minimum=1, maximum=100, default=20)
        page = page_after(self.known(), self.known(), after=request.query_params.get("after"), limit=limit)
        shown = map(outbound.ShownWebhookEndpoint().to_representation, page.rows)
        return Response(list_object(shown, has_more=page.has_more))

    @sensitive_variables("secret")
    def post(self, request: Request) -> Response:
        fields = valid(inbound.CreateWebhookEndpoint, request.data)
        endpoint, secret = endpoints.add(self.project, **fields, actor=self.actor, now=timezone.now())
        return self.answer(endpoint, signing_secret=secret)


class OneWebhookEndpoint(EndpointView):
    """/webhook_endpoints/{endpoint_id}"""

    def get(self, _request: Request, endpoint_id: str) -> Response:
        return self.answer(self.find(endpoint_id))

    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = self.find(endpoint_id)
        fields = valid(inbound.UpdateWebhookEndpoint, request.data)
        return self.answer(endpoints.change(endpoint, settings=fields, actor=self.actor, now=timezone.now()))

    def delete(self, _request: Request, endpoint_id: str) -> Response:
        endpoint = self.find(endpoint_id)
        removed = {"id": str(endpoint), "object": "webhook_endpoint.deleted", "deleted": True}
        endpoints.remove(endpoint, actor=self.actor, now=timezone.now())
        return Response(removed)


class RotateSecret(EndpointView):
    """/webhook_endpoints/{endpoint_id}/rotate_secret"""

    @sensitive_variables("secret")
    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = self.find(endpoint_id)
        keeps = valid(inbound.RotateSecret, request.data)["keep_old_secret_active_for_24_hours"]
        overlap = OVERLAP if keeps else timedelta(0)
        endpoint, secret = endpoints.rotate(endpoint, overlap=overlap, actor=self.actor, now=timezone.now())
        return self.answer(endpoint, signing_secret=secret)


class TestWebhookEndpoint(EndpointView):
    """/webhook_endpoints/{endpoint_id}/test"""

    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = self.find(endpoint_id)
        event_type = valid(inbound.TestWebhookEndpoint, request.data)["event_type"]
        delivery = tried(deliveries.send_test(endpoint, event_type=event_type, actor=self.actor, now=timezone.now()))
        return Response(
            {
                "object": "webhook_endpoint.test",
                "webhook_endpoint_id": str(endpoint),
                "event_type": delivery.type,
                "success": True,
                "status_code": delivery.http_status,
            }
        )


class WebhookEventTypes(OpenAIView):
    """/webhook_event_types"""

    def get(self, _request: Request) -> Response:
        return Response({"object": "list", "data": list(endpoints.EVENT_TYPES)})


def tried(delivery: WebhookDelivery) -> WebhookDelivery:
    """A delivery after its first try, which a worker makes meanwhile. Raises TestFailed, TestWaits and NotFound.

    The contract answers with the status of the receiver. Therefore the call waits, for up to WEBHOOK_TEST_WAIT_SECONDS.
    """
    until = monotonic() + settings.WEBHOOK_TEST_WAIT_SECONDS
    while not delivery.attempts:
        if monotonic() > until:
            raise TestWaits
        sleep(LOOK_SECONDS)
        found = WebhookDelivery.objects.filter(pk=delivery.pk).first()
        if found is None:
            raise NotFound("The endpoint was removed meanwhile.", param="webhook_endpoint_id")
        delivery = found
    if delivery.http_status is None:
        raise TestFailed(f"The endpoint gave no answer to the test. {delivery.failure}")
    return delivery

"""Webhook endpoints: list, add, retrieve, change, remove, replace the secret, test."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.names import listed
from batches.api.fields.webhooks.deliveries import ShownDeliveryDetail
from batches.api.fields.webhooks.endpoints import (
    CreateEndpoint,
    RotateSecret,
    ShownEndpoint,
    ShownEndpointWithSecret,
    TestEndpoint,
    UpdateEndpoint,
)
from batches.api.openapi import bodies, documented
from batches.api.openapi.schema import page_of
from batches.api.view import NativeView
from batches.http.paging import page_after
from batches.models import EventType, Project, WebhookEndpoint
from batches.rules import identifiers
from batches.rules.errors import NotFound
from batches.services.core.access import Right
from batches.services.webhooks import deliveries, endpoints

CALLBACKS = "callbacks"  # stands in paths for the endpoint of the project's callback URLs


class EndpointView(NativeView):
    """A view of webhook endpoints."""

    tag = "Webhooks"
    thing = "webhook"

    def endpoints(self) -> "QuerySet[WebhookEndpoint]":
        """The endpoints of the caller's projects."""
        return self.caller.within(WebhookEndpoint.objects.select_related("project"))

    def find_endpoint(self, text: str) -> WebhookEndpoint:
        """The endpoint that the path names by its id, or by `callbacks`. Raises NotFound and NotPermitted."""
        known = self.endpoints()
        if text == CALLBACKS:
            found = known.filter(url="", project=self._project()).first()
        else:
            key = identifiers.parse(text)
            found = known.filter(pk=key).first() if key else None
        if found is None:
            raise NotFound(f"There is no webhook endpoint with the id {text[:100]!r}.", param="endpoint_id")
        self.caller.require(self.right, found.project, act=self.act, target=found)
        return found

    def _project(self) -> Project:
        """The project whose callback URLs the path names."""
        return self.caller.readable_project(self.request.query_params.get("project"))


class WebhookEndpoints(EndpointView):
    """/webhook_endpoints"""

    requires = {  # noqa: RUF012 - read only
        "list": Right.READ,
        "retrieve": Right.READ,
        "add": Right.MANAGE,
        "change": Right.MANAGE,
        "remove": Right.MANAGE,
        "rotate": Right.MANAGE,
        "test": Right.MANAGE,
    }

    @extend_schema(
        operation_id="list_webhook_endpoints",
        summary="List webhook endpoints",
        parameters=documented.PAGE,
        responses=page_of(ShownEndpoint, "WebhookEndpointPage"),
    )
    def list(self, request: Request) -> Response:
        """The webhook endpoints of your project, the newest first.

        An endpoint is told of events of all batches of its project. One endpoint without a `url` stands for the `callback_url`s
        of batches; it is there as soon as a batch has named one.
        """
        self.allow_parameters("cursor", "limit")
        known = self.endpoints()
        page = page_after(known, known, after=request.query_params.get("cursor"), limit=self.limit(), name="cursor")
        return self.page(listed(ShownEndpoint, page.rows), next_cursor=page.rows[-1] if page.has_more else None)

    @sensitive_variables("secret")
    @extend_schema(
        operation_id="create_webhook_endpoint",
        summary="Add a webhook endpoint",
        request=CreateEndpoint,
        responses={201: OpenApiResponse(ShownEndpointWithSecret, "The endpoint with its secret, which is shown only now.")},
        examples=bodies.ENDPOINT,
    )
    def add(self, _request: Request) -> Response:
        """Add a receiver of the project's events.

        Each event is posted as JSON, `{"id", "object", "created_at", "type", "data": {"id"}}`, in which `data.id` is the batch.
        It is signed by Standard Webhooks. A receiver that does not answer with 2xx in time gets the event again, with growing
        pauses and the same `webhook-id`.
        """
        self.allow_parameters()
        fields = self.fields(CreateEndpoint)
        project = self.caller.readable_project(fields["project"])
        self.caller.require(Right.MANAGE, project, act=self.act)
        endpoint, secret = endpoints.add(
            project,
            name=fields.get("name", ""),
            url=fields["url"],
            event_types=fields.get("event_types", []),
            actor=self.actor,
            now=timezone.now(),
        )
        return Response(ShownEndpointWithSecret(endpoint, context={"secret": secret}).data, status=201)

    @extend_schema(
        operation_id="retrieve_webhook_endpoint",
        summary="Retrieve a webhook endpoint",
        parameters=documented.CALLBACKS_PROJECT,
        responses=ShownEndpoint,
    )
    def retrieve(self, _request: Request, endpoint_id: str) -> Response:
        """One webhook endpoint."""
        return self._answer(self._named(endpoint_id))

    @extend_schema(
        operation_id="update_webhook_endpoint",
        summary="Change a webhook endpoint",
        parameters=documented.CALLBACKS_PROJECT,
        request=UpdateEndpoint,
        responses=ShownEndpoint,
    )
    def change(self, _request: Request, endpoint_id: str) -> Response:
        """Change some settings of an endpoint. The endpoint of callback URLs can only be enabled and disabled.

        While an endpoint is disabled, events are not recorded for it. Deliveries that waited are sent once it is enabled again.
        """
        endpoint = self._named(endpoint_id)
        fields = self.fields(UpdateEndpoint)
        return self._answer(endpoints.change(endpoint, settings=fields, actor=self.actor, now=timezone.now()))

    @extend_schema(
        operation_id="delete_webhook_endpoint",
        summary="Remove a webhook endpoint",
        responses={204: OpenApiResponse(description="It is removed, with its deliveries.")},
    )
    def remove(self, _request: Request, endpoint_id: str) -> Response:
        """Remove an endpoint and the log of its deliveries. Deliveries that wait are not sent any more.

        While deliveries of it are under legal hold, the endpoint can only be disabled (409).
        """
        endpoints.remove(self._named(endpoint_id), actor=self.actor, now=timezone.now())
        return Response(status=204)

    @sensitive_variables("secret")
    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Replace the secret of a webhook endpoint",
        parameters=documented.CALLBACKS_PROJECT,
        request=RotateSecret,
        responses=ShownEndpointWithSecret,
    )
    def rotate(self, _request: Request, endpoint_id: str) -> Response:
        """Make a new secret, which only this answer shows.

        With the word `callbacks` as id, it is the secret of the project's callback URLs, whether there was one before or not.
        """
        now = timezone.now()
        if endpoint_id == CALLBACKS:
            self.allow_parameters("project")
            project = self._project()
            self.caller.require(self.right, project, act=self.act)
            endpoint = endpoints.callbacks_of(project, actor=self.actor, now=now)
        else:
            endpoint = self._named(endpoint_id)
        overlap = None if self.fields(RotateSecret)["keep_former"] else timedelta(0)
        endpoint, secret = endpoints.rotate(endpoint, overlap=overlap, actor=self.actor, now=now)
        return Response(ShownEndpointWithSecret(endpoint, context={"secret": secret}).data)

    @extend_schema(
        operation_id="test_webhook_endpoint",
        summary="Test a webhook endpoint",
        request=TestEndpoint,
        responses=ShownDeliveryDetail,
    )
    def test(self, _request: Request, endpoint_id: str) -> Response:
        """Send an event of a batch that does not exist. Retrieve the delivery to see the answer. A test is tried once.

        A disabled endpoint is not tested, nor is the endpoint of callback URLs (409).
        """
        endpoint = self._named(endpoint_id)
        event_type = EventType(self.fields(TestEndpoint)["event_type"])
        delivery = deliveries.send_test(endpoint, event_type=event_type, actor=self.actor, now=timezone.now())
        reads = self.caller.readable(endpoint.project_id)
        return Response(ShownDeliveryDetail(delivery, context={"reads": reads}).data)

    def _named(self, endpoint_id: str) -> WebhookEndpoint:
        """The endpoint that the path names, of a call without further parameters."""
        self.allow_parameters(*(["project"] if endpoint_id == CALLBACKS else []))
        return self.find_endpoint(endpoint_id)

    def _answer(self, endpoint: WebhookEndpoint) -> Response:
        return Response(ShownEndpoint(endpoint).data)

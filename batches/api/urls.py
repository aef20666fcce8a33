"""The paths of the native API, its OpenAPI document, and the page made from the document."""

from django.urls import path
from django.views.generic import RedirectView

from batches.api.calls.acts import Acts
from batches.api.calls.batches import Batches
from batches.api.calls.bounds import Quotas, Stops
from batches.api.calls.contents import BatchContents
from batches.api.calls.data.erasures import Erasures
from batches.api.calls.data.legal_holds import LegalHolds
from batches.api.calls.data.retention import DiskUse, Retention
from batches.api.calls.files import Files
from batches.api.calls.groups import ErrorGroups
from batches.api.calls.lineage import LineageView
from batches.api.calls.models import Models
from batches.api.calls.provider_jobs import ProviderJobs
from batches.api.calls.providers import Providers
from batches.api.calls.search import Search
from batches.api.calls.webhooks.deliveries import WebhookDeliveries, WebhookEventTypes
from batches.api.calls.webhooks.endpoints import WebhookEndpoints
from batches.api.errors import render_error
from batches.api.fields.batch import batch_object
from batches.api.openapi.docs import docs_page
from batches.api.openapi.document import openapi_document
from batches.dialects.shared.faces import Face, add_face
from batches.http.mounts import Mount, mount
from batches.models import Dialect

mount(Mount(bases={"The native API": "/api/v1"}, render_error=render_error, prefixes=("/api",)))

add_face(
    Face(
        Dialect.NATIVE,
        "/api/v1",
        lambda batch: f"/api/v1/batches/{batch}",
        lambda batch, request, _: batch_object(batch, request),
    )
)

app_name = "api"
urlpatterns = [
    path("v1/batches", Batches.as_view({"get": "list", "post": "create"})),
    path("v1/batches/<str:batch_id>", Batches.as_view({"get": "retrieve", "patch": "update"})),
    path("v1/batches/<str:batch_id>/cancel", Batches.as_view({"post": "cancel"})),
    path("v1/batches/<str:batch_id>/pause", Acts.as_view({"post": "pause"})),
    path("v1/batches/<str:batch_id>/resume", Acts.as_view({"post": "resume"})),
    path("v1/batches/<str:batch_id>/retry", Acts.as_view({"post": "retry"})),
    path("v1/batches/<str:batch_id>/reroute", Acts.as_view({"post": "reroute"})),
    path("v1/batches/<str:batch_id>/prioritise", Acts.as_view({"post": "prioritise"})),
    path("v1/batches/<str:batch_id>/objects", BatchContents.as_view({"get": "objects"})),
    path("v1/batches/<str:batch_id>/objects/<int:line>", BatchContents.as_view({"get": "one_object"})),
    path("v1/batches/<str:batch_id>/results", BatchContents.as_view({"get": "results"})),
    path("v1/batches/<str:batch_id>/export", BatchContents.as_view({"get": "export"})),
    path("v1/batches/<str:batch_id>/errors", BatchContents.as_view({"get": "errors"})),
    path("v1/batches/<str:batch_id>/error-groups", BatchContents.as_view({"get": "groups"})),
    path("v1/batches/<str:batch_id>/events", BatchContents.as_view({"get": "events"})),
    path("v1/batches/<str:batch_id>/lineage", LineageView.as_view({"get": "members"})),
    path("v1/batches/<str:batch_id>/lineage/results", LineageView.as_view({"get": "results"})),
    path("v1/batches/<str:batch_id>/lineage/results.jsonl", LineageView.as_view({"get": "download"})),
    path("v1/batches/<str:batch_id>/provider_jobs", ProviderJobs.as_view({"get": "list"})),
    path("v1/batches/<str:batch_id>/provider_jobs/<str:job_id>/take_back", ProviderJobs.as_view({"post": "recall"})),
    path("v1/batches/<str:batch_id>/provider_jobs/<str:job_id>/poll", ProviderJobs.as_view({"post": "look_at"})),
    path("v1/error-groups", ErrorGroups.as_view({"get": "list"})),
    path("v1/error-groups/<str:fingerprint>", ErrorGroups.as_view({"get": "retrieve"})),
    path("v1/error-groups/<str:fingerprint>/objects", ErrorGroups.as_view({"get": "objects"})),
    path("v1/error-groups/<str:fingerprint>/mute", ErrorGroups.as_view({"post": "mute"})),
    path("v1/error-groups/<str:fingerprint>/unmute", ErrorGroups.as_view({"post": "unmute"})),
    path("v1/error-groups/<str:fingerprint>/note", ErrorGroups.as_view({"post": "note"})),
    path("v1/files", Files.as_view({"get": "list", "post": "create"})),
    path("v1/files/<str:file_id>", Files.as_view({"get": "retrieve", "delete": "destroy"})),
    path("v1/files/<str:file_id>/content", Files.as_view({"get": "content"})),
    path("v1/retention", Retention.as_view({"get": "retrieve", "patch": "change"})),
    path("v1/disk_use", DiskUse.as_view({"get": "retrieve"})),
    path("v1/legal_holds", LegalHolds.as_view({"get": "list", "post": "place"})),
    path("v1/legal_holds/<str:hold_id>", LegalHolds.as_view({"get": "retrieve"})),
    path("v1/legal_holds/<str:hold_id>/release", LegalHolds.as_view({"post": "release"})),
    path("v1/erasures", Erasures.as_view({"get": "list", "post": "create"})),
    path("v1/erasures/<str:erasure_id>", Erasures.as_view({"get": "retrieve"})),
    path("v1/models", Models.as_view({"get": "list"})),
    path("v1/models/<path:name>", Models.as_view({"get": "retrieve"})),
    path("v1/quotas", Quotas.as_view({"get": "retrieve"})),
    path("v1/providers", Providers.as_view({"get": "list"})),
    path("v1/providers/<str:name>", Providers.as_view({"get": "retrieve"})),
    path("v1/providers/<str:name>/check", Providers.as_view({"post": "check"})),
    path("v1/providers/<str:name>/resume", Providers.as_view({"post": "resume"})),
    path("v1/search", Search.as_view({"get": "list"})),
    path("v1/stops", Stops.as_view({"get": "list"})),
    path("v1/webhook_event_types", WebhookEventTypes.as_view({"get": "list"})),
    path("v1/webhook_endpoints", WebhookEndpoints.as_view({"get": "list", "post": "add"})),
    path(
        "v1/webhook_endpoints/<str:endpoint_id>",
        WebhookEndpoints.as_view({"get": "retrieve", "patch": "change", "delete": "remove"}),
    ),
    path("v1/webhook_endpoints/<str:endpoint_id>/rotate_secret", WebhookEndpoints.as_view({"post": "rotate"})),
    path("v1/webhook_endpoints/<str:endpoint_id>/test", WebhookEndpoints.as_view({"post": "test"})),
    path("v1/webhook_endpoints/<str:endpoint_id>/deliveries", WebhookDeliveries.as_view({"get": "list"})),
    path(
        "v1/webhook_endpoints/<str:endpoint_id>/deliveries/<str:delivery_id>",
        WebhookDeliveries.as_view({"get": "retrieve"}),
    ),
    path(
        "v1/webhook_endpoints/<str:endpoint_id>/deliveries/<str:delivery_id>/redeliver",
        WebhookDeliveries.as_view({"post": "redeliver"}),
    ),
    path("schema", openapi_document, name="schema"),
    path("docs", RedirectView.as_view(pattern_name="api:docs")),
    path("docs/", docs_page, name="docs"),
]

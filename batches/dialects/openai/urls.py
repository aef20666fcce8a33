"""The paths of the OpenAI dialect. No path ends in a slash, and none redirects."""

import re
from collections.abc import Mapping

from django.urls import path

from batches.dialects.openai import views, webhooks
from batches.dialects.openai.errors import render_error
from batches.dialects.openai.outbound import batch_objects
from batches.dialects.shared.faces import Face, add_face
from batches.http.mounts import Mount, mount
from batches.models import Dialect

THINGS = ("files", "uploads", "batches", "models")
mount(
    Mount(
        bases={"OpenAI's clients": "/v1"},
        render_error=render_error,
        prefixes=("/v1", *(f"{wrong}/{thing}" for wrong in ("", "/api") for thing in THINGS)),
    )
)
# Azure's client adds `/openai` to its endpoint `http://HOST`. Groq's client adds `/openai/v1` to its base URL. With the base URL
# `http://HOST` its calls would reach the Novita dialect, so they are recognised by the name of the client.
AZURE = tuple(f"/openai/{thing}" for thing in (*THINGS, "deployments"))
mount(Mount(bases={"Azure's clients": ""}, render_error=render_error, prefixes=AZURE))
mount(Mount(bases={"Groq's client": "/groq"}, render_error=render_error, prefixes=("/groq",)))


def is_groqs(headers: Mapping[str, str]) -> bool:
    """Whether the headers are those of Groq's own client."""
    return re.match(r"(?:Async)?Groq/", headers.get("User-Agent", "")) is not None


mount(Mount(bases={"Groq's client": "/groq"}, render_error=render_error, prefixes=("/openai/v1",), recognises=is_groqs))
add_face(Face(Dialect.OPENAI, "/v1", lambda batch: f"/v1/batches/{batch}", lambda batch, *_: batch_objects([batch])[0]))

urlpatterns = [
    path("models", views.Models.as_view()),
    path("models/<path:model>", views.OneModel.as_view()),
    path("files", views.Files.as_view()),
    path("files/<str:file_id>", views.OneFile.as_view()),
    path("files/<str:file_id>/content", views.FileContent.as_view()),
    path("uploads", views.Uploads.as_view()),
    path("uploads/<str:upload_id>/parts", views.UploadParts.as_view()),
    path("uploads/<str:upload_id>/complete", views.CompleteUpload.as_view()),
    path("uploads/<str:upload_id>/cancel", views.CancelUpload.as_view()),
    path("batches", views.Batches.as_view()),
    path("batches/<str:batch_id>", views.OneBatch.as_view()),
    path("batches/<str:batch_id>/cancel", views.CancelBatch.as_view()),
    path("batches/<str:batch_id>/results", views.BatchResults.as_view()),
    path("webhook_event_types", webhooks.WebhookEventTypes.as_view()),
    path("webhook_endpoints", webhooks.WebhookEndpoints.as_view()),
    path("webhook_endpoints/<str:endpoint_id>", webhooks.OneWebhookEndpoint.as_view()),
    path("webhook_endpoints/<str:endpoint_id>/rotate_secret", webhooks.RotateSecret.as_view()),
    path("webhook_endpoints/<str:endpoint_id>/test", webhooks.TestWebhookEndpoint.as_view()),
]

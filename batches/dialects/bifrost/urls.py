"""The paths of the Bifrost dialect. No path ends in a slash, and none redirects."""

from urllib.parse import quote

from django.urls import path

from batches.dialects.bifrost import views
from batches.dialects.bifrost.errors import render_error
from batches.dialects.bifrost.outbound import batch_objects
from batches.dialects.shared.faces import Face, add_face
from batches.http.mounts import Mount, mount
from batches.models import Dialect

mount(
    Mount(
        bases={"OpenAI's clients in this dialect": "/bifrost/v1", "Bifrost's clients": "/bifrost"},
        render_error=render_error,
        prefixes=("/bifrost",),
    )
)
add_face(
    Face(
        Dialect.BIFROST,
        base="/bifrost/v1",
        path=lambda batch: f"/bifrost/v1/batches/{batch}?provider={quote(batch.provider.name)}",
        show=lambda batch, request, now: batch_objects([batch], url=request.build_absolute_uri(views.BATCHES), now=now)[0],
    )
)

urlpatterns = [
    path("models", views.Models.as_view()),
    path("models/<path:model>", views.OneModel.as_view()),
    path("files", views.Files.as_view()),
    path("files/<str:file_id>", views.OneFile.as_view()),
    path("files/<str:file_id>/content", views.FileContent.as_view()),
    path("batches", views.Batches.as_view()),
    path("batches/<str:batch_id>", views.OneBatch.as_view()),
    path("batches/<str:batch_id>/cancel", views.CancelBatch.as_view()),
    path("batches/<str:batch_id>/results", views.BatchResults.as_view()),
]

"""The paths of the Novita dialect. No path ends in a slash, and none redirects."""

from django.urls import path

from batches.dialects.novita import views
from batches.dialects.novita.errors import render_error
from batches.dialects.novita.outbound import batch_objects
from batches.dialects.shared.faces import Face, add_face
from batches.http.mounts import Mount, mount
from batches.models import Dialect

mount(Mount(bases={"Novita's clients": "/openai/v1"}, render_error=render_error, prefixes=("/openai",)))
add_face(
    Face(Dialect.NOVITA, "/openai/v1", lambda batch: f"/openai/v1/batches/{batch}", lambda batch, *_: batch_objects([batch])[0])
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
]

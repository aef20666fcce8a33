"""The paths of the OpenAI dialect; none ends in a slash, and none redirects."""

from django.urls import path

from batches.dialects.base.faces import Face, add_face
from batches.dialects.base.mounts import Mount, mount
from batches.dialects.openai import views
from batches.dialects.openai.errors import render_error
from batches.dialects.openai.outbound import batch_objects
from batches.models import Dialect

mount(Mount(base="/v1", render_error=render_error, prefixes=("/v1", "/files", "/uploads", "/batches")))
add_face(Face(Dialect.OPENAI, lambda batch: f"/v1/batches/{batch}", lambda batch, *_: batch_objects([batch])[0]))

urlpatterns = [
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
]

"""The paths of the Novita dialect; none ends in a slash, and none redirects."""

from django.urls import path

from batches.dialects.base.mounts import Mount, mount
from batches.dialects.novita import views
from batches.dialects.novita.errors import render_error

mount(Mount(base="/openai/v1", render_error=render_error, prefixes=("/openai",)))

urlpatterns = [
    path("files", views.Files.as_view()),
    path("files/<str:file_id>", views.OneFile.as_view()),
    path("files/<str:file_id>/content", views.FileContent.as_view()),
    path("batches", views.Batches.as_view()),
    path("batches/<str:batch_id>", views.OneBatch.as_view()),
    path("batches/<str:batch_id>/cancel", views.CancelBatch.as_view()),
]

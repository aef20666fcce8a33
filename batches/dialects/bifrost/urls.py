"""The paths of the Bifrost dialect; none ends in a slash, and none redirects."""

from django.urls import path

from batches.dialects.base.mounts import Mount, mount
from batches.dialects.bifrost import views
from batches.dialects.bifrost.errors import render_error

mount(Mount(base="/bifrost", render_error=render_error, prefixes=("/bifrost",)))

urlpatterns = [
    path("files", views.Files.as_view()),
    path("files/<str:file_id>", views.OneFile.as_view()),
    path("files/<str:file_id>/content", views.FileContent.as_view()),
    path("batches", views.Batches.as_view()),
    path("batches/<str:batch_id>", views.OneBatch.as_view()),
    path("batches/<str:batch_id>/cancel", views.CancelBatch.as_view()),
    path("batches/<str:batch_id>/results", views.BatchResults.as_view()),
]

"""The paths of the Merge dialect; none ends in a slash, and none redirects."""

from django.urls import path

from batches.dialects.base.mounts import Mount, mount
from batches.dialects.merge import views
from batches.dialects.merge.errors import render_error
from batches.dialects.merge.inbound import ENDPOINTS

mount(Mount(base="/api", render_error=render_error, prefixes=("/api/accounting", "/accounting")))

urlpatterns = [
    *(path(f"{model}/bulk", views.Bulk.as_view(), {"model": model}) for model in ENDPOINTS),
    *(path(f"{model}/bulk/<str:batch_id>", views.OneBulk.as_view(), {"model": model}) for model in ENDPOINTS),
]

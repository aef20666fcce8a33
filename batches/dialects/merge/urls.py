"""The paths of the Merge dialect. No path ends in a slash, and none redirects."""

from django.urls import path

from batches.dialects.merge import views
from batches.dialects.merge.errors import render_error
from batches.dialects.merge.inbound import ENDPOINTS
from batches.dialects.merge.outbound import bulk_object
from batches.dialects.shared.faces import Face, add_face
from batches.http.mounts import Mount, mount
from batches.models import Dialect

mount(Mount(bases={"Merge's client": "/api"}, render_error=render_error, prefixes=("/api/accounting", "/accounting")))
add_face(
    Face(
        Dialect.MERGE,
        base="/api",
        path=lambda batch: f"/api{batch.endpoint}/bulk/{batch.id}",
        show=lambda batch, _, now: bulk_object(batch, id_path=batch.provider.id_path, now=now),
        cannot=lambda batch: "" if batch.endpoint in ENDPOINTS.values() else "It shows bulk writes of accounting records only.",
        header="X-Account-Token: $ACCOUNT_TOKEN",
        is_whole=True,
    )
)

urlpatterns = [
    *(path(f"{model}/bulk", views.Bulk.as_view(), {"model": model}) for model in ENDPOINTS),
    *(path(f"{model}/bulk/<str:batch_id>", views.OneBulk.as_view(), {"model": model}) for model in ENDPOINTS),
]

"""The paths of the Anthropic dialect; none ends in a slash, and none redirects."""

from collections.abc import Mapping

from django.urls import path

from batches.dialects.anthropic import views
from batches.dialects.anthropic.errors import render_error
from batches.dialects.anthropic.inbound import ENDPOINT
from batches.dialects.anthropic.outbound import PREFIX, message_batches
from batches.dialects.shared.faces import Face, add_face
from batches.http.mounts import Mount, mount
from batches.models import Dialect
from batches.rules import identifiers

# Besides its own, what those ask for who give the SDK a base URL with /v1, and those who write a URL without.
mount(
    Mount(
        bases={"Anthropic's clients": ""},
        render_error=render_error,
        prefixes=("/v1/messages", "/v1/v1/messages", "/messages"),
    )
)
mount(Mount(bases={"Anthropic's clients": "/anthropic"}, render_error=render_error, prefixes=("/anthropic",)))
FILES = "Files are not offered in this API: the requests of a batch come with the call that creates it."
BATCHES = "Batches of this API are at /v1/messages/batches; without the header anthropic-version this path is another API's."


def is_ours(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from a client of this API: what it calls may be another dialect's path, too."""
    return "anthropic-version" in headers


# Where the base URL is that of the OpenAI dialect, too, only the header tells whose models and whose errors are meant.
mount(Mount(bases={"Anthropic's clients": ""}, render_error=render_error, prefixes=("/v1",), told_by=is_ours, urlconf=__name__))
mount(Mount(bases={"Anthropic's clients": ""}, render_error=render_error, prefixes=("/v1/files",), told_by=is_ours, advice=FILES))
mount(
    Mount(
        bases={"Anthropic's clients": ""},
        render_error=render_error,
        prefixes=("/v1/batches", "/v1/uploads"),
        told_by=is_ours,
        advice=BATCHES,
    )
)
mount(
    Mount(bases={"Anthropic's clients": "/anthropic"}, render_error=render_error, prefixes=("/anthropic/v1/files",), advice=FILES)
)
add_face(
    Face(
        Dialect.ANTHROPIC,
        path=lambda batch: f"{views.PATH}/{identifiers.render(PREFIX, batch.id)}",
        show=lambda batch, request, now: message_batches([batch], url=request.build_absolute_uri(views.PATH), now=now)[0],
        cannot=lambda batch: "" if batch.endpoint == ENDPOINT else f"It shows batches of {ENDPOINT} only.",
    )
)

urlpatterns = [
    pattern
    for base in ("", "anthropic/")
    for pattern in (
        path(f"{base}v1/models", views.Models.as_view()),
        path(f"{base}v1/models/<path:model>", views.OneModel.as_view()),
        path(f"{base}v1/messages/batches", views.Batches.as_view()),
        path(f"{base}v1/messages/batches/<str:batch_id>", views.OneBatch.as_view()),
        path(f"{base}v1/messages/batches/<str:batch_id>/cancel", views.CancelBatch.as_view()),
        path(f"{base}v1/messages/batches/<str:batch_id>/results", views.BatchResults.as_view()),
    )
]

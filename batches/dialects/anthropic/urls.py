"""The paths of the Anthropic dialect. No path ends in a slash, and none redirects."""

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

# The own paths, and the paths of clients whose base URL ends in /v1 or whose path lacks it.
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
    """Whether the headers are those of a client of this API. Some paths belong to another dialect as well."""
    return "anthropic-version" in headers


# The OpenAI dialect has the paths below /v1, too. There only the header shows which dialect a client expects.
mount(
    Mount(bases={"Anthropic's clients": ""}, render_error=render_error, prefixes=("/v1",), recognises=is_ours, urlconf=__name__)
)
mount(
    Mount(bases={"Anthropic's clients": ""}, render_error=render_error, prefixes=("/v1/files",), recognises=is_ours, advice=FILES)
)
mount(
    Mount(
        bases={"Anthropic's clients": ""},
        render_error=render_error,
        prefixes=("/v1/batches", "/v1/uploads"),
        recognises=is_ours,
        advice=BATCHES,
    )
)
mount(
    Mount(bases={"Anthropic's clients": "/anthropic"}, render_error=render_error, prefixes=("/anthropic/v1/files",), advice=FILES)
)
add_face(
    Face(
        Dialect.ANTHROPIC,
        base="/anthropic",
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

"""The faces of a batch: the document that clients of each dialect get, or the reason why there is none."""

import uuid

from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing import curl
from batches.console.drawing.pretty import indent
from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.pages.batches.object_page import SHOWN_CHARS, Document
from batches.console.pages.batches.page_around import page_around
from batches.dialects.shared.faces import Face, faces
from batches.http.rendering import encode
from batches.models import Batch
from batches.services.core.access import Right

MOST_OBJECTS = 1000  # an answer with more objects is not shown


@require_safe
@requires(Right.READ_BODIES)
def batch_faces(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """One face of the batch: of the dialect in the address, else of the dialect in which the batch was created."""
    batch = find_batch(request, batch_id)
    known = {face.dialect.value: face for face in faces()}
    face = known.get(request.GET.get("as", ""), known[batch.dialect])
    cannot = _why_not(face, batch)
    shown = "" if cannot else indent(encode(face.show(batch, request, timezone.now())).decode())
    context = {
        **page_around(request, batch, page="batch_faces"),
        "dialects": [(one.dialect.label, f"?as={one.dialect}", one is face) for one in known.values()],
        "face": face,
        "cannot": cannot,
        "path": face.path(batch),
        "document": Document("answer", shown if "answer" in request.GET.getlist("full") else shown[:SHOWN_CHARS], len(shown)),
        "face_curl": curl.read_face(request, face.path(batch), header=face.header),
    }
    return render(request, "console/batch_faces.html", context)


def _why_not(face: Face, batch: Batch) -> str:
    """The reason why a face is not shown; empty if it is shown."""
    if batch.deleted_at is not None:
        return "A client deleted the batch, so no API shows it any more."
    if face.is_whole and batch.counts.total > MOST_OBJECTS:
        return (
            f"The answer has each of its {batch.counts.total:,} requests: too long for this page, but not for the command below."
        )
    return face.cannot(batch)

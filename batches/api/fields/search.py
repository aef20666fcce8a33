"""The shape of what a search finds."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.names import BatchIdIfAny
from batches.models import Batch, BatchObject, BulkOperation, ErrorGroup
from batches.rules.lines.jsonl import result_id
from batches.services.search.found import FileFound, Hit, HitKind, ModelFound, Reason
from providers.models import Provider

KINDS = [kind.word for kind in HitKind]


@extend_schema_serializer(component_name="SearchHit")
class ShownHit(serializers.Serializer[Hit]):
    """One thing that a search found."""

    kind = serializers.ChoiceField(choices=KINDS, help_text="The kind of thing.")
    id = serializers.CharField(
        help_text="The id of a batch, file or bulk operation; `batch_req_…` of a request, as result files have it; the name of a"
        " provider or model; the fingerprint of an error group."
    )
    match = serializers.ChoiceField(choices=[reason.word for reason in Reason], help_text="The reason why it was found.")
    title = serializers.CharField(help_text="The remark, custom_id, filename, name or message.", allow_blank=True)
    status = serializers.CharField(help_text="Of a batch, request or bulk operation.", allow_null=True)
    project = serializers.SlugField(help_text="Of everything that belongs to one project.", allow_null=True)
    batch_id = BatchIdIfAny()  # of a batch and of a request; the newest batch that has a file
    line = serializers.IntegerField(help_text="Of a request.", allow_null=True)

    def to_representation(self, hit: Hit) -> dict[str, Any]:
        none = {"status": None, "project": None, "batch_id": None, "line": None}
        return {"match": hit.reason.word, **none, **_told(hit)}


def _told(hit: Hit) -> dict[str, Any]:
    match hit.row:
        case Batch() as row:
            return {
                **_named(HitKind.BATCH, str(row), row.remark),
                "status": row.status,
                "project": row.project.slug,
                "batch_id": str(row),
            }
        case BatchObject() as row:
            return {
                **_named(HitKind.REQUEST, result_id(row.pk), row.custom_id),
                "status": row.status,
                "project": row.batch.project.slug,
                "batch_id": str(row.batch),
                "line": row.line,
            }
        case FileFound(file=file, batch=batch):
            of_batch = str(batch) if batch else None
            return {**_named(HitKind.FILE, str(file), file.filename), "project": file.project.slug, "batch_id": of_batch}
        case BulkOperation() as row:
            return {**_named(HitKind.OPERATION, str(row.pk), str(row)), "status": row.status}
        case Provider() as row:
            return _named(HitKind.PROVIDER, row.name, row.name)
        case ModelFound(name=name):
            return _named(HitKind.MODEL, name, name)
        case ErrorGroup() as row:
            return {**_named(HitKind.ERROR_GROUP, row.fingerprint, row.message), "project": row.project.slug}


def _named(kind: HitKind, identifier: str, title: str) -> dict[str, Any]:
    return {"kind": kind.word, "id": identifier, "title": title}


@extend_schema_serializer(component_name="SearchAnswer", many=False)
class ShownFound(serializers.Serializer[Any]):
    """What a search found, by kind, the newest of each kind first."""

    data = ShownHit(many=True)  # type: ignore[assignment]  # a serializer has one, too
    more = serializers.ListField(
        child=serializers.ChoiceField(choices=KINDS), help_text="The kinds of which there are further things than `limit`."
    )
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="Sentences about what was not looked through, and why; usually empty."
    )

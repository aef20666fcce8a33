"""error_groups: store errors, and count them in their groups at the same time."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Count, F, Q
from django.db.models.functions import Greatest, TruncHour
from uuid_utils.compat import uuid7

from batches.models import Batch, BatchError, BatchErrorGroup, ErrorGroup, ErrorGroupHour, bulk
from batches.rules.fingerprints import fingerprint, normalise

_Key = tuple[uuid.UUID, str]  # a project and a fingerprint


def new_error(
    batch: Batch,
    *,
    line: int | None,
    round_: int | None,
    code: str,
    message: str,
    source: str,
    now: datetime,
    kind: str = "",
    param: str = "",
    http_status: int | None = None,
) -> BatchError:
    """An error that is not stored yet, with its fingerprint. An error of the input has no `kind`."""
    return BatchError(
        batch_id=batch.pk,
        line=line,
        round=round_,
        code=code[:100],
        message=message[:2000],
        param=param[:200],
        kind=kind,
        source=source,
        http_status=http_status,
        fingerprint=fingerprint(
            source=source, provider=_provider(batch, kind), http_status=http_status, code=code, message=message
        ),
        created_at=now,
    )


def _provider(batch: Batch, kind: str) -> str:
    """The name of the provider that a failure is counted for. An error of the input has none: it is wrong at every provider."""
    return batch.provider.name if kind else ""


def record_errors(errors: Sequence[BatchError], batches: Mapping[uuid.UUID, Batch]) -> None:
    """Store new errors of these batches, and count them. Must be called in the transaction that records the failures.

    In every table the rows are written in the order of their keys, so that two calls at the same time do not deadlock.
    """
    if not errors:
        return
    BatchError.objects.bulk_create(errors)
    by_group: dict[_Key, list[BatchError]] = {}
    for error in errors:
        by_group.setdefault((batches[error.batch_id].project_id, error.fingerprint), []).append(error)
    groups = _groups({key: found[0] for key, found in sorted(by_group.items())}, batches)
    _count_in_batches(groups, by_group)
    _count_in_hours(groups, by_group)


def _groups(firsts: Mapping[_Key, BatchError], batches: Mapping[uuid.UUID, Batch]) -> dict[_Key, uuid.UUID]:
    """The id of each group. A group that does not exist yet is created from its first error."""
    wanted = Q(project__in={project for project, _ in firsts}, fingerprint__in={fingerprint for _, fingerprint in firsts})
    known = _ids(wanted)
    missing = [key for key in firsts if key not in known]
    if not missing:
        return known
    ErrorGroup.objects.bulk_create(
        (_group(firsts[key], batches[firsts[key].batch_id], key) for key in missing), ignore_conflicts=True
    )
    return _ids(wanted)


def _ids(wanted: Q) -> dict[_Key, uuid.UUID]:
    rows = ErrorGroup.objects.filter(wanted).order_by().values_list("project_id", "fingerprint", "pk")
    return {(project, fingerprint): pk for project, fingerprint, pk in rows}


def _group(error: BatchError, batch: Batch, key: _Key) -> ErrorGroup:
    project_id, fingerprint = key
    return ErrorGroup(
        project_id=project_id,
        fingerprint=fingerprint,
        provider=_provider(batch, error.kind),
        source=error.source,
        kind=error.kind,
        http_status=error.http_status,
        code=error.code,
        message=normalise(error.message),
        sample=error.message,
        first_seen=error.created_at,
    )


def _count_in_batches(groups: Mapping[_Key, uuid.UUID], by_group: Mapping[_Key, Sequence[BatchError]]) -> None:
    rows = {}
    for key, errors in by_group.items():
        for batch_id in {error.batch_id for error in errors}:
            found = [error for error in errors if error.batch_id == batch_id]
            lines = [error.line for error in found if error.line is not None]
            seen = found[0].created_at
            span = (min(lines), max(lines)) if lines else (None, None)
            rows[batch_id, groups[key]] = (uuid7(), batch_id, groups[key], len(found), *span, seen, seen)
    bulk.add(
        BatchErrorGroup,
        ("id", "batch", "group", "count", "first_line", "last_line", "first_seen", "last_seen"),
        [row for _, row in sorted(rows.items())],
        keys=("batch", "group"),
        added=("count",),
        least=("first_line",),
        greatest=("last_line", "last_seen"),
    )


def _count_in_hours(groups: Mapping[_Key, uuid.UUID], by_group: Mapping[_Key, Sequence[BatchError]]) -> None:
    rows = []
    for key, errors in by_group.items():
        hour = errors[0].created_at.replace(minute=0, second=0, microsecond=0)
        rows.append((uuid7(), groups[key], hour, len(errors)))
    rows.sort(key=lambda row: row[1])
    bulk.add(ErrorGroupHour, ("id", "group", "hour", "count"), rows, keys=("group", "hour"), added=("count",))


def count_fewer(batch: Batch, retried: Mapping[str, int]) -> None:
    """Lower the counts of error groups in a batch, since their objects are sent again. `retried` is counts by fingerprint."""
    in_batch = BatchErrorGroup.objects.filter(batch=batch, group__fingerprint__in=retried)
    groups = in_batch.select_for_update(of=("self",)).order_by("group_id").values_list("pk", "group__fingerprint")
    for pk, name in list(groups):
        BatchErrorGroup.objects.filter(pk=pk).update(count=Greatest(F("count") - retried[name], 0))


def recount_groups(batch: Batch, fingerprints: Iterable[str]) -> None:
    """Compute the counts of these groups in a batch anew: the errors whose object was not sent again.

    The rows of the groups are locked before the errors are counted. Errors that others record meanwhile are added afterwards.
    """
    in_batch = BatchErrorGroup.objects.filter(batch=batch, group__fingerprint__in=set(fingerprints))
    groups = list(in_batch.select_for_update(of=("self",)).order_by("group_id").values_list("pk", "group__fingerprint"))
    open_errors = BatchError.objects.filter(batch=batch, fingerprint__in=[name for _, name in groups], retried_at=None)
    rows = open_errors.order_by().values("fingerprint").annotate(count=Count("pk"))
    counts = {row["fingerprint"]: row["count"] for row in rows}
    for pk, name in groups:
        BatchErrorGroup.objects.filter(pk=pk).update(count=counts.get(name, 0))


def forget_errors(batch: Batch) -> None:
    """Delete every error of a batch's objects, and subtract it from the counts, in the caller's transaction."""
    errors = BatchError.objects.filter(batch=batch, round__isnull=False)
    rows = errors.order_by().values_list("fingerprint", TruncHour("created_at")).annotate(count=Count("pk"))
    counted = list(rows)
    if not counted:
        return
    groups = ErrorGroup.objects.filter(project=batch.project_id, fingerprint__in={name for name, _, _ in counted})
    keys = dict(groups.order_by("pk").values_list("fingerprint", "pk"))
    for name, hour, count in sorted(counted, key=lambda row: (keys[row[0]], row[1])):
        hours = ErrorGroupHour.objects.filter(group=keys[name], hour=hour)
        hours.update(count=Greatest(F("count") - count, 0))
        BatchErrorGroup.objects.filter(batch=batch, group=keys[name]).update(count=Greatest(F("count") - count, 0))
    errors.delete()
    BatchErrorGroup.objects.filter(batch=batch, count=0).delete()

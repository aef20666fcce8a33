"""What the engine records: files, slices, objects, results, errors, attempts, events, workers."""

from django.contrib import admin

from batches.admin.read_only import ReadOnly
from batches.models import Attempt, BatchError, BatchObject, BatchResult, Event, File, Slice, Upload, Worker


@admin.register(File)
class FileAdmin(ReadOnly[File]):
    list_display = ("__str__", "filename", "purpose", "bytes", "project", "created_at", "expires_at", "deleted_at")
    list_filter = ("purpose", "project")
    list_select_related = ("project",)
    search_fields = ("filename",)


@admin.register(Upload)
class UploadAdmin(ReadOnly[Upload]):
    list_display = ("__str__", "filename", "status", "bytes", "project", "created_at", "expires_at")
    list_filter = ("status", "project")
    list_select_related = ("project",)
    search_fields = ("filename",)


@admin.register(Slice)
class SliceAdmin(ReadOnly[Slice]):
    list_display = (
        "__str__",
        "total",
        "pending",
        "succeeded",
        "failed",
        "lease_epoch",
        "lease_expires_at",
        "not_before",
    )
    found_by = "batch"
    search_fields = ("batch",)
    list_select_related = ("batch",)


@admin.register(BatchObject)
class BatchObjectAdmin(ReadOnly[BatchObject]):
    list_display = (
        "custom_id",
        "batch_id",
        "line",
        "status",
        "round",
        "attempts",
        "http_status",
        "latency_ms",
        "settled_at",
    )
    found_by = "batch"
    search_fields = ("batch",)
    ordering = ("-pk",)


@admin.register(BatchResult)
class BatchResultAdmin(ReadOnly[BatchResult]):
    """Bodies are in the console; here they would make a page of megabytes."""

    list_display = ("batch_id", "line", "round", "status", "http_status", "error_code", "created_at")
    found_by = "batch"
    search_fields = ("batch",)
    ordering = ("-pk",)
    exclude = ("body",)


@admin.register(BatchError)
class BatchErrorAdmin(ReadOnly[BatchError]):
    list_display = ("code", "message", "batch_id", "line", "kind", "source", "http_status", "created_at")
    list_filter = ("source", "kind")
    found_by = "batch"
    search_fields = ("batch",)
    ordering = ("-pk",)


@admin.register(Attempt)
class AttemptAdmin(ReadOnly[Attempt]):
    list_display = ("batch_id", "line", "round", "number", "kind", "http_status", "retry_at", "created_at")
    list_filter = ("kind",)
    found_by = "batch"
    search_fields = ("batch",)
    ordering = ("-pk",)


@admin.register(Event)
class EventAdmin(ReadOnly[Event]):
    list_display = ("created_at", "batch_id", "from_status", "to_status", "actor", "source", "note")
    list_filter = ("source", "to_status")
    found_by = "batch"
    search_fields = ("batch",)
    ordering = ("-pk",)


@admin.register(Worker)
class WorkerAdmin(ReadOnly[Worker]):
    list_display = ("name", "role", "in_flight", "started_at", "seen_at")
    list_filter = ("role",)

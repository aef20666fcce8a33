"""Records of the engine: files, slices, objects, results, errors, events, workers, health, provider jobs; and audit entries."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from batches.admin.scope import Inside, OwnProjects, ReadOnly
from batches.models import (
    Attempt,
    AuditEntry,
    BatchError,
    BatchMinute,
    BatchObject,
    BatchResult,
    Event,
    File,
    IdempotencyRecord,
    MetricTotal,
    ProcessReport,
    ProviderHealth,
    ProviderJob,
    ProviderJobIncident,
    Slice,
    Upload,
    UploadPart,
    Worker,
)
from batches.rules.changes import told
from batches.rules.display.audit_words import words_of
from batches.rules.display.sizes import size
from batches.services.core.access import Right
from providers.models import ProviderModel


class WithSize:
    """Adds the column `size` to lists of rows that have `bytes`."""

    @admin.display(description="size", ordering="bytes")
    def size(self, row: File | Upload | UploadPart) -> str:
        return size(row.bytes)


@admin.register(File)
class FileAdmin(WithSize, ReadOnly[File]):
    """The data about files. The bytes of a file are downloaded in the console, on the page of its batch."""

    list_display = ("__str__", "filename", "purpose", "size", "project", "created_at", "expires_at", "deleted_at")
    list_filter = (
        "purpose",
        ("project", OwnProjects),
        ("created_at", admin.DateFieldListFilter),
        ("removal_failed_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("project",)
    search_fields = ("pk",)
    search_help_text = "The id of a file, in any of its forms."
    exclude = ("content",)


@admin.register(Upload)
class UploadAdmin(WithSize, ReadOnly[Upload]):
    list_display = ("__str__", "filename", "status", "size", "project", "created_at", "expires_at")
    list_filter = ("status", ("project", OwnProjects))
    list_select_related = ("project",)
    search_fields = ("pk",)
    search_help_text = "The id of an upload, in any of its forms."
    date_hierarchy = "created_at"


@admin.register(UploadPart)
class UploadPartAdmin(WithSize, ReadOnly[UploadPart]):
    project = "upload__project"
    list_display = ("__str__", "upload", "size", "created_at")
    list_select_related = ("upload",)
    found_by = "upload"
    search_fields = ("upload",)
    search_help_text = "The id of an upload, in any of its forms."
    exclude = ("content",)


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnly[IdempotencyRecord]):
    project = "api_key__project"
    list_display = ("path", "token", "api_key", "batch", "created_at")
    list_select_related = ("api_key", "batch")
    found_by = "batch"
    search_fields = ("batch",)
    search_help_text = "The id of a batch, in any of its forms."
    ordering = ("-created_at",)


@admin.register(Slice)
class SliceAdmin(Inside[Slice]):
    list_display = ("__str__", "total", "pending", "succeeded", "failed", "lease_epoch", "lease_expires_at", "not_before")


@admin.register(BatchObject)
class BatchObjectAdmin(Inside[BatchObject]):
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


@admin.register(BatchResult)
class BatchResultAdmin(Inside[BatchResult]):
    """Results without bodies, which would make a page of megabytes. The console shows the bodies."""

    sees = Right.READ_BODIES  # messages may quote bodies
    list_display = ("batch_id", "line", "round", "status", "http_status", "error_code", "created_at")
    exclude = ("body",)


@admin.register(BatchError)
class BatchErrorAdmin(Inside[BatchError]):
    sees = Right.READ_BODIES  # messages may quote bodies
    list_display = ("code", "message", "batch_id", "line", "kind", "source", "http_status", "created_at")


@admin.register(Attempt)
class AttemptAdmin(Inside[Attempt]):
    sees = Right.READ_BODIES  # messages may quote bodies
    list_display = ("batch_id", "line", "round", "number", "kind", "http_status", "retry_at", "created_at")


@admin.register(Event)
class EventAdmin(Inside[Event]):
    list_display = ("created_at", "batch_id", "from_status", "to_status", "act", "actor", "source", "note")


@admin.register(BatchMinute)
class BatchMinuteAdmin(Inside[BatchMinute]):
    list_display = ("minute", "batch_id", "succeeded", "failed", "retried", "throttled", "latency_ms")


@admin.register(Worker)
class WorkerAdmin(ReadOnly[Worker]):
    project = None
    list_display = ("name", "role", "in_flight", "trouble", "started_at", "seen_at")
    list_filter = ("role",)
    search_fields = ("name__istartswith",)


@admin.register(ProcessReport)
class ProcessReportAdmin(ReadOnly[ProcessReport]):
    project = None
    list_display = ("name", "role", "resident_bytes", "open_files", "connections_in_use", "seen_at")
    list_filter = ("role",)
    search_fields = ("name__istartswith",)


@admin.register(MetricTotal)
class MetricTotalAdmin(ReadOnly[MetricTotal]):
    project = None
    list_display = ("name", "labels", "total")
    search_fields = ("name__startswith",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly[AuditEntry]):
    """Audit entries: acts and refusals. They can be searched by the id of the row, by act and by actor."""

    sees = Right.MANAGE
    list_display = ("created_at", "what", "outcome", "actor", "source", "project", "target", "reason", "changed")
    readonly_fields = ("what", "changed")
    exclude = ("act",)
    list_filter = ("outcome", "source", ("project", OwnProjects), ("created_at", admin.DateFieldListFilter))
    list_select_related = ("project",)
    found_by = "target_id"
    search_fields = ("act__startswith", "actor__startswith", "target__startswith")
    search_help_text = (
        "The id of what was acted on, or the beginning of an act, an actor or a name. "
        "Acts on single batches are in the console's audit log."
    )

    @admin.display(description="Act", ordering="act")
    def what(self, entry: AuditEntry) -> str:
        """The act in words."""
        return words_of(entry.act)

    @admin.display(description="Changes")
    def changed(self, entry: AuditEntry) -> SafeString:
        """Old and new values. A secret is told only to have changed."""
        rows = ((each.name, "changed" if each.is_secret else f"{each.old} → {each.new}") for each in told(entry.changes))
        return format_html_join(mark_safe("<br>"), "{}: {}", rows) or mark_safe("—")


@admin.register(ProviderModel)
class ProviderModelAdmin(ReadOnly[ProviderModel]):
    """Models at providers. They are changed on the pages of providers."""

    project = None
    list_display = (
        "name",
        "provider",
        "input_price",
        "cached_price",
        "output_price",
        "batch_factor",
        "requests_per_minute",
        "tokens_per_minute",
    )
    list_filter = ("provider",)
    list_select_related = ("provider",)
    search_fields = ("name__istartswith", "provider__name__istartswith")
    show_facets = admin.ShowFacets.ALLOW


@admin.register(ProviderHealth)
class ProviderHealthAdmin(ReadOnly[ProviderHealth]):
    project = None
    list_display = (
        "provider",
        "model",
        "concurrency",
        "in_use",
        "limited_until",
        "limited_reason",
        "breaker",
        "breaker_until",
        "hold_kind",
        "held_since",
        "updated_at",
    )
    list_filter = ("breaker", "hold_kind", "provider")
    list_select_related = ("provider",)
    search_fields = ("provider__name__istartswith", "model__istartswith")
    show_facets = admin.ShowFacets.ALLOW


@admin.register(ProviderJob)
class ProviderJobAdmin(ReadOnly[ProviderJob]):
    """Provider jobs without their former credential, their former address, and the bits of the rows that were seen."""

    project = "batch__project"
    sees = Right.READ_BODIES  # messages may quote bodies
    list_display = (
        *("marker", "state", "word", "provider", "batch_id", "lines", "rows", "collected", "remote_id", "recall"),
        *("poll_at", "created_at", "console"),
    )
    list_filter = (
        "state",
        "family",
        "recall",
        ("batch__project", OwnProjects),
        ("provider", admin.RelatedOnlyFieldListFilter),
        ("created_at", admin.DateFieldListFilter),
    )
    list_select_related = ("provider",)
    search_fields = ("marker__exact", "remote_id__exact", "input_ref__exact")
    search_help_text = "The id of a batch in any of its forms; or a marker, a job's or an input's id at the provider, all of it."
    found_by = "batch"
    exclude = ("former_base_url",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderJob]:
        return super().get_queryset(request).defer("seen", "former_credential")

    @admin.display(description="Lines", ordering="first_line")
    def lines(self, job: ProviderJob) -> str:
        return f"{job.first_line:,} to {job.last_line:,}"

    @admin.display(description="Collected")
    def collected(self, job: ProviderJob) -> str:
        """The rows of the results so far."""
        return f"{job.collected:,}"

    @admin.display(description="Console")
    def console(self, job: ProviderJob) -> SafeString:
        """A link to the job's page in the console."""
        return format_html('<a href="/console/jobs/{}/">Open</a>', str(job.pk))


@admin.register(ProviderJobIncident)
class ProviderJobIncidentAdmin(ReadOnly[ProviderJobIncident]):
    """Incidents of provider jobs, resolved ones included."""

    project = "job__batch__project"
    sees = Right.READ_BODIES  # messages may quote bodies
    list_display = ("code", "note", "job", "opened_at", "resolved_at", "resolved_by", "resolution")
    list_filter = ("code", ("resolved_at", admin.EmptyFieldListFilter), ("job__batch__project", OwnProjects))
    list_select_related = ("job",)
    search_fields = ("job__marker__exact", "job__remote_id__exact")
    search_help_text = "The id of a batch in any of its forms; or a job's marker or id at the provider, all of it."
    found_by = "job__batch"

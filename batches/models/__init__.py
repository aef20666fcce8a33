"""The database's tables, one model a file. The functions that write them are in `batches.services`.

The models know `rules` and `providers`. Start with `batch`, then `slice` and `object`.
"""

from batches.models.account_token import AccountToken
from batches.models.api_key import ApiKey, KeyState, Scope
from batches.models.attempt import Attempt
from batches.models.audit import AuditEntry
from batches.models.batch import REMARK_CHARS, Batch, Dialect, OnInvalid, ThrottledBy, load_counts, slice_sums
from batches.models.bulk_operation import BulkAct, BulkItem, BulkOperation
from batches.models.claimed_flags import ClaimedFlags
from batches.models.counts import COUNT_FIELDS, SUMMED, Counts
from batches.models.emergency_stop import EmergencyStop, Stopped
from batches.models.erasure import Erasure
from batches.models.error import BatchError
from batches.models.error_group import BatchErrorGroup, ErrorGroup, ErrorGroupHour
from batches.models.event import NOTE_CHARS, Event
from batches.models.file import File, Purpose
from batches.models.idempotency import IdempotencyRecord
from batches.models.membership import Membership, Role
from batches.models.object import ERASED, INVALID_LINE, LAST_LINE, BatchObject, unnamed
from batches.models.pace import BatchMinute
from batches.models.project import Project, ProviderGrant
from batches.models.provider_health import ProviderHealth
from batches.models.provider_job import ProviderJob, ProviderJobIncident
from batches.models.result import BatchResult
from batches.models.retention import Leftover, LegalHold, RetentionKind, RetentionPolicy
from batches.models.saved_view import SavedView
from batches.models.slice import Slice
from batches.models.subscription import Channel, Frequency, Notice, Subscription
from batches.models.telemetry import MetricTotal, ProcessReport
from batches.models.upload import Upload, UploadPart, UploadStatus
from batches.models.webhook import DeliveryStatus, EventType, WebhookDelivery, WebhookEndpoint
from batches.models.worker import Worker

__all__ = [
    "COUNT_FIELDS",
    "ERASED",
    "INVALID_LINE",
    "LAST_LINE",
    "NOTE_CHARS",
    "REMARK_CHARS",
    "SUMMED",
    "AccountToken",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Batch",
    "BatchError",
    "BatchErrorGroup",
    "BatchMinute",
    "BatchObject",
    "BatchResult",
    "BulkAct",
    "BulkItem",
    "BulkOperation",
    "Channel",
    "ClaimedFlags",
    "Counts",
    "DeliveryStatus",
    "Dialect",
    "EmergencyStop",
    "Erasure",
    "ErrorGroup",
    "ErrorGroupHour",
    "Event",
    "EventType",
    "File",
    "Frequency",
    "IdempotencyRecord",
    "KeyState",
    "Leftover",
    "LegalHold",
    "Membership",
    "MetricTotal",
    "Notice",
    "OnInvalid",
    "ProcessReport",
    "Project",
    "ProviderGrant",
    "ProviderHealth",
    "ProviderJob",
    "ProviderJobIncident",
    "Purpose",
    "RetentionKind",
    "RetentionPolicy",
    "Role",
    "SavedView",
    "Scope",
    "SignInAttempts",
    "Slice",
    "Stopped",
    "Subscription",
    "ThrottledBy",
    "Upload",
    "UploadPart",
    "UploadStatus",
    "WebhookDelivery",
    "WebhookEndpoint",
    "Worker",
    "load_counts",
    "slice_sums",
    "unnamed",
]

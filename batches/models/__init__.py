"""The database's tables, one model a file. What writes them is in `batches.services`."""

from batches.models.account_token import AccountToken
from batches.models.api_key import ApiKey
from batches.models.attempt import Attempt
from batches.models.batch import Batch, Counts, Dialect, load_counts
from batches.models.error import BatchError
from batches.models.event import Event
from batches.models.file import File, Purpose
from batches.models.idempotency import IdempotencyRecord
from batches.models.object import BatchObject
from batches.models.project import Project, ProviderGrant
from batches.models.result import BatchResult
from batches.models.slice import Slice
from batches.models.upload import Upload, UploadPart, UploadStatus
from batches.models.worker import Worker

__all__ = [
    "AccountToken",
    "ApiKey",
    "Attempt",
    "Batch",
    "BatchError",
    "BatchObject",
    "BatchResult",
    "Counts",
    "Dialect",
    "Event",
    "File",
    "IdempotencyRecord",
    "Project",
    "ProviderGrant",
    "Purpose",
    "Slice",
    "Upload",
    "UploadPart",
    "UploadStatus",
    "Worker",
    "load_counts",
]

"""Filters over batches, their objects and errors, jobs and deliveries, shared by all lists, exports, APIs and bulk acts.

Filters know models, `services.core` and `services.standing`, and only read. Start with `batch`.
"""

from batches.filters.audit import AuditFilter
from batches.filters.batch import CREATED, METADATA, VIEWS, BatchFilter, HasPair
from batches.filters.bulk_items import BulkItemFilter
from batches.filters.conditions import Condition, needs_attention
from batches.filters.error_groups import ErrorGroupFilter
from batches.filters.objects import BatchErrorFilter, BatchObjectFilter
from batches.filters.provider_jobs import JOB_VIEWS, OLDER, ProviderJobFilter
from batches.filters.strict import NOT, StrictFilterSet, is_negated, positive
from batches.filters.webhook_deliveries import WebhookDeliveryFilter

__all__ = [
    "CREATED",
    "JOB_VIEWS",
    "METADATA",
    "NOT",
    "OLDER",
    "VIEWS",
    "AuditFilter",
    "BatchErrorFilter",
    "BatchFilter",
    "BatchObjectFilter",
    "BulkItemFilter",
    "Condition",
    "ErrorGroupFilter",
    "HasPair",
    "ProviderJobFilter",
    "StrictFilterSet",
    "WebhookDeliveryFilter",
    "is_negated",
    "needs_attention",
    "positive",
]

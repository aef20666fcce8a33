"""The admin: rows to look at. What moves state goes through the same services as everywhere else."""

from django.contrib import admin

from batches.admin.access import ApiKeyAdmin, ProjectAdmin
from batches.admin.batch import BatchAdmin
from batches.admin.records import (
    AttemptAdmin,
    BatchErrorAdmin,
    BatchObjectAdmin,
    BatchResultAdmin,
    EventAdmin,
    FileAdmin,
    SliceAdmin,
    UploadAdmin,
    WorkerAdmin,
)

__all__ = [
    "ApiKeyAdmin",
    "AttemptAdmin",
    "BatchAdmin",
    "BatchErrorAdmin",
    "BatchObjectAdmin",
    "BatchResultAdmin",
    "EventAdmin",
    "FileAdmin",
    "ProjectAdmin",
    "SliceAdmin",
    "UploadAdmin",
    "WorkerAdmin",
]

admin.site.site_header = "Batchyard"
admin.site.site_title = "Batchyard admin"
admin.site.index_title = "Rows of the database"
admin.site.site_url = "/console/"

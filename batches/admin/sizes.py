"""A column for sizes, written as the console writes them."""

from django.contrib import admin

from batches.models import File, Upload, UploadPart
from batches.rules.sizes import size


class WithSize:
    """Adds the column `size` to lists of rows that have `bytes`."""

    @admin.display(description="size", ordering="bytes")
    def size(self, row: File | Upload | UploadPart) -> str:
        return size(row.bytes)

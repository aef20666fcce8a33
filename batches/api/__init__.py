"""The native API under `/api/v1`: every batch of any dialect, with all that the portal knows about it.

`calls` has the views, `fields` the serializers, `openapi` the document and its page, and `access` the callers with their
rights. This package knows services, filters and `batches.http`. Start with `urls`.
"""

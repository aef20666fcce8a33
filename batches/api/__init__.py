"""The native API under `/api/v1`: every batch, whatever dialect it came through, with all that the portal knows of it.

`calls` has the views, `fields` what is read and written, `openapi` the document and the page made of it; `access` decides who
calls and what they may see and do. It knows services, filters and `batches.http`. Start with `urls`.
"""

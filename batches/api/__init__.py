"""The native API under `/api/v1`: every batch, whatever dialect it came through, with all that the portal knows of it.

* `urls`, and the views: `batches`, `creation`, `inside` (what is inside one batch), `files`, `providers`;
* `access`: who calls, and what they may see and do;
* `inbound`, `outbound`, `faces`, `errors`: what is read and written;
* `schema`, `examples`, `docs`: the OpenAPI document, and the page made of it.
"""

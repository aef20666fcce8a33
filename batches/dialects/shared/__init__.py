"""Code that several dialects share: creating batches, keeping files, paging through results, listing models.

This package knows `batches.http` and services, and no dialect. Start with `creation`.
"""

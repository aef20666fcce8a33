"""What several dialects do alike: create batches, keep files, page through results, list models.

It knows `batches.http` and services, and no dialect. Start with `creation`.
"""

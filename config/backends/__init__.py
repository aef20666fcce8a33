"""Backends that Django and Celery are set up with: PostgreSQL, the cache, the broker, the beat's scheduler, S3, hashing.

Each mends or sets a library's own. Settings name them by path. Start with `postgresql`.
"""

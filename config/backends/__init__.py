"""Backends of Django and Celery: PostgreSQL, the cache, the broker, the beat's scheduler, S3 and password hashing.

Each module corrects or configures a backend of a library. The settings name the backends by path. Start with `postgresql`.
"""

"""Search over everything that a person or a key may read, never over bodies.

Each kind of thing has one bounded question. Exact ids go through indexes. Words go through a full-text index on PostgreSQL,
and through the newest rows on SQLite. Start with `search`.
"""

"""Indexes for the search. They are built while the portal goes on, and no row is rewritten.

Ids of calls have 20,000,000 rows. On PostgreSQL, results and attempts get a BRIN index with Bloom filters: it has a few
kilobytes for each megabyte of rows, and new rows cost next to nothing, because only a finished range of pages is summarized.
SQLite has ordinary indexes. Words have GIN indexes on PostgreSQL, in which the id of the project is a word, too.
"""

from typing import Any

from django.db import migrations

# Migrations keep their own copies: these expressions are those of batches/services/search/words.py at this release.
_BETWEEN_WORDS = r"[\s!-/:-@\[-`{-~]+"
_WORDS = (
    "(array_to_tsvector(ARRAY[project_id::text])"
    " || to_tsvector('simple', regexp_replace(left({text}, 20000), '" + _BETWEEN_WORDS.replace("{", "{{") + "', ' ', 'g')))"
)
_REMARK = _WORDS.format(text="remark || ' ' || COALESCE(metadata::text, '')")
_ERROR = _WORDS.format(text="code || ' ' || message || ' ' || sample || ' ' || note")
# A range of 64 pages has up to 2,500 short results. One range in 10,000 is then read in vain.
_FILTER = "text_bloom_ops(n_distinct_per_range = 2500, false_positive_rate = 0.0001)"
_CALLS = f"brin (request_id {_FILTER}) WITH (pages_per_range = 64, autosummarize = on)"

INDEXES = {
    "postgresql": {
        "result_request_id": f"batches_batchresult USING {_CALLS}",
        "attempt_request_id": f"batches_attempt USING {_CALLS}",
        "batch_words": f"batches_batch USING gin ({_REMARK}) WITH (gin_pending_list_limit = 512)",
        "error_group_words": f"batches_errorgroup USING gin ({_ERROR}) WITH (gin_pending_list_limit = 512)",
    },
    "sqlite": {
        "result_request_id": "batches_batchresult (request_id) WHERE NOT request_id = ''",
        "attempt_request_id": "batches_attempt (request_id) WHERE NOT request_id = ''",
    },
}


def build(_apps: Any, editor: Any) -> None:
    vendor = editor.connection.vendor
    for name, definition in INDEXES[vendor].items():
        if vendor == "postgresql":
            drop_unfinished(editor, name)
            editor.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}", params=None)
        else:
            editor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {definition}", params=None)


def drop_unfinished(editor: Any, name: str) -> None:
    """Drop what an interrupted migration left of an index, so that the index is built anew."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid", [name])
        if cursor.fetchone():
            editor.execute(f"DROP INDEX CONCURRENTLY {name}")


def drop(_apps: Any, editor: Any) -> None:
    for name in INDEXES[editor.connection.vendor]:
        editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    atomic = False  # PostgreSQL builds an index beside writers only outside of a transaction
    dependencies = [("batches", "0015_recoveries")]
    operations = [migrations.RunPython(build, drop)]

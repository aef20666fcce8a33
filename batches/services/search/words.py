"""Words of remarks, metadata and error messages: an index of PostgreSQL, or the newest rows where there is none.

A text matches if each word of the search is the beginning of one of its words, on both databases. The index also has the id
of the row's project as a word, so that a search costs as much as the searcher's own projects have.
"""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

from batches.models import Batch, ErrorGroup

# The texts that are indexed, as SQL over the columns below. Migration 0016 builds the indexes over exactly these expressions.
_TEXTS = {
    Batch: "{1} || ' ' || COALESCE({2}::text, '')",
    ErrorGroup: "{1} || ' ' || {2} || ' ' || {3} || ' ' || {4}",
}
COLUMNS: dict[type[Batch | ErrorGroup], tuple[str, ...]] = {
    Batch: ("remark", "metadata"),
    ErrorGroup: ("code", "message", "sample", "note"),
}
_VECTOR = (
    "(array_to_tsvector(ARRAY[{{0}}::text])"
    " || to_tsvector('simple', regexp_replace(left({text}, 20000), '[\\s!-/:-@\\[-`{{{{-~]+', ' ', 'g')))"
)


def vector_sql(model: type[Batch | ErrorGroup]) -> str:
    """The SQL of a row's words, with a numbered place for the project's column and each of COLUMNS."""
    return _VECTOR.format(text=_TEXTS[model])


def has_word_index() -> bool:
    """Whether the database has the indexes of words."""
    return connection.vendor == "postgresql"


class HasWords(Func):
    """A condition: the row is of one of the projects, and has words that begin with these. Only for PostgreSQL."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, model: type[Batch | ErrorGroup], *, projects: Iterable[uuid.UUID] | None, words: Sequence[str]) -> None:
        any_project = Value(None if projects is None else " | ".join(f"'{key}'" for key in projects))
        every_word = Value(" & ".join(f"'{word}':*" for word in words))
        super().__init__(F("project"), *map(F, COLUMNS[model]), any_project, every_word)
        self.vector, self.everywhere = vector_sql(model), projects is None

    def as_sql(self, compiler: SQLCompiler, *_: Any, **__: Any) -> tuple[str, tuple[Any, ...]]:
        *columns, projects, words = [compiler.compile(part) for part in self.source_expressions]
        vector = self.vector.format(*(sql for sql, _ in columns))
        conditions = [(f"{vector} @@ to_tsquery('simple', {words[0]})", words[1])]
        if not self.everywhere:
            conditions.append((f"{vector} @@ {projects[0]}::tsquery", projects[1]))
        return " AND ".join(sql for sql, _ in conditions), tuple(value for _, values in conditions for value in values)


def with_words(
    rows: QuerySet[Any], model: type[Batch | ErrorGroup], *, projects: Iterable[uuid.UUID] | None, words: Sequence[str]
) -> QuerySet[Any]:
    """The rows of these projects that have the words."""
    return rows.filter(HasWords(model, projects=projects, words=words))

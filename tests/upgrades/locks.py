"""Which statements of a migration keep others from a large table for long: those that scan or rewrite it under a lock."""

import re
from collections.abc import Iterable

LARGE = ("batches_batchobject", "batches_batchresult")
# Taken for a moment, whatever the table holds.
_BRIEF = (
    r"ADD COLUMN (?!.*NOT NULL)",
    r"ADD COLUMN .*DEFAULT",
    r"ADD CONSTRAINT .*NOT VALID",
    r"VALIDATE CONSTRAINT",
    r"ALTER COLUMN \S+ (SET|DROP) DEFAULT",
    r"ALTER COLUMN \S+ DROP NOT NULL",
    r"DROP (COLUMN|CONSTRAINT)",
    r"RENAME",
    r"(RE)?SET \(",
)


def long_locks(statements: Iterable[str]) -> list[str]:
    """Those of these statements that a large portal should not have to wait for."""
    return [statement for statement in statements if _is_about_large(statement) and not _is_brief(statement)]


def _is_about_large(statement: str) -> bool:
    return any(re.search(rf'\b"?{table}"?(?![\w])', statement) for table in LARGE)


def _is_brief(statement: str) -> bool:
    words = " ".join(statement.split())
    if re.match(r"(CREATE|DROP) (UNIQUE )?INDEX", words, re.IGNORECASE):
        return "CONCURRENTLY" in words.upper()
    if re.match(r"ALTER TABLE", words, re.IGNORECASE):
        return any(re.search(pattern, words, re.IGNORECASE) for pattern in _BRIEF)
    return False

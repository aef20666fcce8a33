"""Exports over HTTP: one parser of their parameters and one answer, for the console and the native API."""

import re
from enum import StrEnum
from typing import TypeVar

from django.http import QueryDict, StreamingHttpResponse

from batches.http.errors import InvalidValue
from batches.http.paging import query_word
from batches.http.parameters import allow_parameters
from batches.rules import fingerprints
from batches.services.exports.form import Compression, Export, Form
from batches.services.exports.results_export import Outcomes, ResultChoice, Scope

PARTIAL_HEADER = "x-batchyard-partial"
LEFT_OUT_HEADER = "x-batchyard-left-out"
RESULT_PARAMETERS = ("outcome", "error", "scope", "format", "compression")

Word = TypeVar("Word", bound=StrEnum)


def read_result_choice(query: QueryDict) -> ResultChoice:
    """The choice that a query string names. Raises InvalidRequest, naming the parameter, for anything that is not understood."""
    allow_parameters(query, *RESULT_PARAMETERS)
    error = query.get("error", "")
    if "error" in query and not re.fullmatch(fingerprints.PATTERN, error):
        raise InvalidValue("Invalid value for 'error': it must be the fingerprint of an error group.", param="error")
    outcome = read_word(query, "outcome", default=Outcomes.UNSUCCESSFUL if error else Outcomes.ALL)
    if error and outcome is not Outcomes.UNSUCCESSFUL:
        raise InvalidValue("Invalid value for 'outcome': an error group has unsuccessful requests only.", param="outcome")
    return ResultChoice(
        outcome=outcome,
        error=error,
        scope=read_word(query, "scope", default=Scope.BATCH),
        form=read_word(query, "format", default=Form.JSONL),
        compression=read_compression(query),
    )


def read_word(query: QueryDict, name: str, *, default: Word) -> Word:
    """A word of a parameter, as a member of the enumeration of its default. Raises InvalidValue."""
    words = type(default)
    return words(query_word(query, name, words=tuple(words), default=default))


def read_compression(query: QueryDict) -> Compression:
    """How an export is compressed. Raises InvalidValue."""
    return read_word(query, "compression", default=Compression.NONE)


def export_answer(export: Export) -> StreamingHttpResponse:
    """An export as an attachment. Headers say if it is partial, and which columns are left out."""
    headers = {"Content-Disposition": f'attachment; filename="{export.filename}"'}
    if export.is_partial:
        headers[PARTIAL_HEADER] = "true"
    if export.left_out:
        headers[LEFT_OUT_HEADER] = ", ".join(export.left_out)
    return StreamingHttpResponse(export.content, content_type=export.content_type, headers=headers)

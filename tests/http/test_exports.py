from collections.abc import Iterator

import pytest
from django.http import QueryDict

from batches.http.errors import InvalidValue, UnknownParameter
from batches.http.exports import export_answer, read_result_choice
from batches.rules.errors import InvalidRequest
from batches.services.exports.form import Compression, Form, exported
from batches.services.exports.results_export import Outcomes, ResultChoice, Scope


@pytest.mark.parametrize(
    ("query", "choice"),
    [
        ("", ResultChoice()),
        ("format=csv&outcome=unsuccessful", ResultChoice(outcome=Outcomes.UNSUCCESSFUL, form=Form.CSV)),
        ("error=v1:abc", ResultChoice(outcome=Outcomes.UNSUCCESSFUL, error="v1:abc")),
        ("scope=lineage&compression=gzip", ResultChoice(scope=Scope.LINEAGE, compression=Compression.GZIP)),
    ],
)
def test_a_query_names_a_choice(query: str, choice: ResultChoice) -> None:
    assert read_result_choice(QueryDict(query)) == choice


@pytest.mark.parametrize(
    ("query", "param", "kind"),
    [
        ("colour=red", "colour", UnknownParameter),
        ("format=csv&format=csv", "format", InvalidValue),
        ("format=xlsx", "format", InvalidValue),
        ("format=", "format", InvalidValue),
        ("outcome=failed", "outcome", InvalidValue),
        ("error=", "error", InvalidValue),
        ("error=%00", "error", InvalidValue),
        ("error=v1:abc&outcome=succeeded", "outcome", InvalidValue),
        ("scope=x", "scope", InvalidValue),
        ("compression=zip", "compression", InvalidValue),
    ],
)
def test_what_is_not_understood_is_refused_by_name(query: str, param: str, kind: type[InvalidRequest]) -> None:
    """O14: downloads ignored unknown parameters."""
    with pytest.raises(kind) as refused:
        read_result_choice(QueryDict(query))
    assert refused.value.param == param


def test_an_export_is_asked_for_line_by_line() -> None:
    asked: list[int] = []

    def lines() -> Iterator[bytes]:
        for number in range(1000):
            asked.append(number)
            yield b"x\n"

    answer = export_answer(exported(lines(), name="a", form=Form.CSV, is_partial=True, left_out=("answer",)))
    assert asked == []
    assert next(iter(answer)) == b"x\n"
    assert asked == [0]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a_partial_without_answer.csv"'
    assert (answer.headers["x-batchyard-partial"], answer.headers["x-batchyard-left-out"]) == ("true", "answer")

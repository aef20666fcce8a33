"""CSV for people who open it in a spreadsheet: records as lines, and values as cells that never begin a formula. Pure rules."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

FORMULA = (*"=+-@＝＋－＠", "\t", "\r", "\n")  # characters with which a spreadsheet may begin a formula


class _Echo:
    """A file whose `write` returns the text."""

    def write(self, text: str) -> str:
        return text


def csv_lines(records: Iterable[Mapping[str, object]], fields: Sequence[str]) -> Iterator[str]:
    """Records as CSV, line by line. No cell begins a formula."""
    writer = csv.DictWriter(_Echo(), fields)
    yield "\ufeff" + str(writer.writeheader())  # the mark tells spreadsheets that this is UTF-8
    for one in records:
        yield str(writer.writerow({name: cell(value) for name, value in one.items()}))


def cell(value: object) -> object:
    """A value as a cell of CSV. A text that could be a formula gets an apostrophe in front, so that no spreadsheet runs it."""
    if value is None:
        return ""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    value = value.replace("\0", "\ufffd")
    return f"'{value}" if value.lstrip(" ").startswith(FORMULA) else value

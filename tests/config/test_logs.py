"""Logs as JSON: one object a line, with ids, without texts of exceptions, bodies and secrets."""

import json
import logging
import sys
import uuid
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from django.conf import settings as portal_settings
from django.http import HttpResponse

from batches.services.telemetry import log_context
from config import logs
from config.front.exchange import Environ
from config.logs import JsonLines
from tests.config.front.conftest import CLOSE
from tests.config.front.served import head, served

logger = logging.getLogger("tests.logs")


class Written(logging.Handler):
    """The lines that were written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def written() -> Iterator[Written]:
    handler = Written()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_a_line_is_one_object() -> None:
    # Made by hand: pytest captures what is logged, and a report of half a surrogate cannot be sent between processes.
    line = JsonLines().format(
        logging.LogRecord(logger.name, logging.WARNING, __file__, 1, "two\nlines, é and %s", ("\ud800",), None)
    )

    assert "\n" not in line
    found = json.loads(line)
    assert set(found) == {"time", "level", "logger", "message", "process"}
    assert (found["level"], found["logger"], found["message"]) == ("WARNING", "tests.logs", "two\nlines, é and \ud800")
    assert found["time"].endswith("Z")
    assert len(found["time"]) == len("2026-01-01T00:00:00.000Z")


def test_the_ids_of_what_is_being_done_are_in_the_line_until_its_end(written: Written) -> None:
    with log_context.bound(request_id="req_1"):
        log_context.note(batch_id="batch_1")
        logger.warning("in it")
    logger.warning("after it")

    inside, after = written.objects
    assert (inside["request_id"], inside["batch_id"]) == ("req_1", "batch_1")
    assert "request_id" not in after
    assert "batch_id" not in after


def test_a_message_that_names_a_batch_gives_its_id(written: Written) -> None:
    name = f"batch_{uuid.uuid4().hex}"

    logger.warning("%s could not be expired", name)

    assert written.objects[0]["batch_id"] == name


def fails(body: str) -> NoReturn:
    raise ValueError(body)


def test_of_an_exception_a_line_has_type_and_places_and_no_text(written: Written) -> None:
    try:
        try:
            fails("the body of a request")
        except ValueError as error:
            raise KeyError("another body") from error
    except KeyError:
        logger.exception("it failed")

    [line] = written.lines
    exception = json.loads(line)["exception"]
    assert exception["type"] == "KeyError"
    assert exception["causes"] == ["ValueError"]
    assert "test_logs.py" in exception["stack"][-1]
    assert "body" not in line


def test_a_stack_is_cut_to_its_inner_end(written: Written) -> None:
    def deep(level: int) -> NoReturn:
        deep(level + 1) if level < 200 else fails("x")
        raise AssertionError

    try:
        deep(0)
    except ValueError:
        logger.exception("it failed")

    stack = written.objects[0]["exception"]["stack"]
    assert len(stack) == logs.MOST_FRAMES
    assert stack[-1].endswith("in fails")


def test_no_line_has_a_secret_of_the_settings(written: Written) -> None:
    logger.warning("cannot use %s", portal_settings.SECRET_KEY)
    logger.warning(f"nor {portal_settings.CREDENTIAL_KEYS[0]}")  # noqa: G004 - as other packages write

    assert [found["message"] for found in written.objects] == ["cannot use [credential]", "nor [credential]"]


def test_arguments_that_do_not_fit_cost_no_line() -> None:
    record = logger.makeRecord("tests.logs", logging.WARNING, __file__, 1, "%d lines", ("many",), None)

    assert json.loads(JsonLines().format(record))["message"] == "%d lines"


def test_a_message_is_bounded(written: Written) -> None:
    logger.warning("x" * 1_000_000)

    assert len(written.lines[0]) < 2 * logs.MOST_CHARS


def test_a_thread_of_a_request_logs_its_id_and_no_other(written: Written) -> None:
    def view(_environ: Environ) -> HttpResponse:
        logger.warning("at work")
        return HttpResponse()

    with served({"/view": view}) as front:
        front.ask(head("GET", "/view", X_Request_Id="from-a-proxy", **CLOSE))
        front.ask(head("GET", "/view", X_Request_Id="bad id\twith spaces", **CLOSE))

    first, second = written.objects
    assert first["request_id"] == "from-a-proxy"
    assert second["request_id"].startswith("req_")


def test_warnings_of_an_exception_without_one_are_lines_as_well(written: Written) -> None:
    logger.error("nothing was raised", exc_info=sys.exc_info())

    assert "exception" not in written.objects[0]

"""Structured logs: each line is one JSON object, with the ids of the request, task and batch that it belongs to.

No line has a body or a secret. Messages of the portal quote none, and the settings' secrets are removed from all messages. Of an
exception a line has the type and the places of the stack, without its text and without values: these may quote a request.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

from batches.services.telemetry import log_context
from config.answers.debug import portal_secrets
from providers.secrets.redaction import Secrets

MOST_CHARS = 10_000  # of a message; a longer one is cut
MOST_FRAMES = 50  # the innermost frames of a stack
MOST_CAUSES = 5
_BATCH = re.compile(r"\bbatch_[0-9a-f]{32}\b")


class JsonLines(logging.Formatter):
    """Formats a record as a line of JSON.

    The members are time, level, logger, message and process; request_id, task_id, task and batch_id where they are known; and
    exception with type, stack and causes, if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = _secrets().hidden_in(_message(record))[:MOST_CHARS]
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            "process": record.process,
            **log_context.current(),
        }
        if log_context.BATCH not in line and (named := _BATCH.search(message)):
            line[log_context.BATCH] = named[0]
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _exception(record.exc_info[1])
        return json.dumps(line)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # the arguments do not fit; the line is worth more than a traceback of the logger
        return str(record.msg)


def _exception(error: BaseException) -> dict[str, object]:
    found: dict[str, object] = {"type": _type(error), "stack": _stack(error)}
    if causes := [_type(cause) for cause in _causes(error)]:
        found["causes"] = causes
    return found


def _type(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _stack(error: BaseException) -> list[str]:
    frames = [(frame.f_code, number) for frame, number in traceback.walk_tb(error.__traceback__)]
    return [f"{code.co_filename}:{number} in {code.co_qualname}" for code, number in frames[-MOST_FRAMES:]]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that led to this one, the latest first."""
    for _ in range(MOST_CAUSES):
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None:
            return
        yield cause
        error = cause


@cache
def _secrets() -> Secrets:
    return portal_secrets()

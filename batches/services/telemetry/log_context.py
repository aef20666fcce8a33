"""log_context: the ids that belong into each log line of what is being done: of the request, the task and the batch.

An id is noted where the portal learns it, and ends with the request or task. A log line of another thread has the ids if the
thread was begun with `keep`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

REQUEST, TASK, TASK_NAME, BATCH = "request_id", "task_id", "task", "batch_id"

_NONE: Mapping[str, str] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=_NONE)


def current() -> Mapping[str, str]:
    """The ids by their names."""
    return _ids.get()


def note(**ids: str) -> None:
    """Add ids, until the end of the surrounding `bound`."""
    _ids.set({**_ids.get(), **ids})


def keep(ids: Mapping[str, str]) -> None:
    """Take over the ids of another thread. For the initializer of a thread that works for what is being done."""
    _ids.set(ids)


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Add ids during the block. Ids that are noted in the block end with it, too."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)

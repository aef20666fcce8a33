"""A process that ends between any two of its steps: at a statement of its database thread, or at a call of the provider.

What is raised is no `Exception`, so that no handler of the portal sees it; and after it everything else of the dead process
fails as well. What a statement had not committed is rolled back, as the database does when a connection ends.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.backends.signals import connection_created

from providers.jobs.client import JobClient


class Killed(BaseException):
    """The process is dead."""


class Killer:
    """Kills a delegator at its n-th step, counted from 0."""

    def __init__(self) -> None:
        self._left: int | None = None
        self.is_dead = False

    @contextmanager
    def at(self, step: int) -> Iterator[None]:
        """Kill at this step of what runs within, which then ends early. Else `is_dead` stays false."""
        self._left, self.is_dead = step, False
        try:
            yield
        except Killed:
            assert self.is_dead
        finally:
            self._left = None

    def step(self) -> None:
        """A moment at which the process may die."""
        self.live()
        if self._left == 0:
            self.is_dead = True
            raise Killed
        if self._left is not None:
            self._left -= 1

    def live(self) -> None:
        """Do anything at all, which a dead process does not."""
        if self.is_dead and self._left is not None:
            raise Killed


def at_calls(killer: Killer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Die before each call of a provider, after each, and before each line of results."""
    for name in ("call", "upload"):
        monkeypatch.setattr(JobClient, name, _dying(killer, getattr(JobClient, name)))
    lines = JobClient.lines

    async def dying_lines(*args: Any, **more: Any) -> Any:
        async for line in lines(*args, **more):
            killer.step()
            yield line

    monkeypatch.setattr(JobClient, "lines", dying_lines)


def _dying(killer: Killer, call: Any) -> Any:
    async def dying(*args: Any, **more: Any) -> Any:
        killer.step()
        answer = await call(*args, **more)
        killer.step()
        return answer

    return dying


@contextmanager
def at_statements(killer: Killer, *, counted: bool = True) -> Iterator[None]:
    """Die before each statement of a delegator's database thread; or, if they are not counted, make none when dead."""

    def dying(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        if counted:
            killer.step()
        else:
            killer.live()
        return execute(sql, params, many, context)

    def connected(connection: Any, **_: Any) -> None:
        if threading.current_thread().name.startswith("delegation"):
            connection.execute_wrappers.append(dying)

    connection_created.connect(connected)
    try:
        yield
    finally:
        connection_created.disconnect(connected)

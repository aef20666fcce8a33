"""Matrices: one test that tries many cases, each in a transaction of its own, and reports every case that failed.

Routes and roles make thousands of cases. In one test, the work of pytest and of fixtures is done once, and not for each case.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

MOST = 2000  # the most characters of a failure that are shown

Test = Callable[..., None]
Cases = Iterable[Any] | Callable[[Mapping[str, Any]], Iterable[Any]]


def every(names: str, cases: Cases, *, ids: Callable[[Any], str] = str) -> Callable[[Test], Test]:
    """Make a test try every case, like `parametrize`. `names` are the arguments; each case has a value for each of them.

    The rows of the database are restored after each case. A test must not change other things that fixtures made.
    `cases` may be a function of the fixtures.
    """
    arguments = [name.strip() for name in names.split(",")]
    if not callable(cases):
        cases = tuple(cases)

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def tries_every(**fixtures: Any) -> None:
            found = cases(fixtures) if callable(cases) else cases
            rows = [case if len(arguments) > 1 else (case,) for case in found]
            assert rows, "a matrix without cases proves nothing"
            failures = [
                f"[{'-'.join(map(ids, row))}] {failure}"
                for row in rows
                if (failure := _failure_of(test, fixtures | dict(zip(arguments, row, strict=True))))
            ]
            if failures:
                pytest.fail(f"{len(failures)} of {len(rows)} cases failed:\n\n" + "\n\n".join(failures), pytrace=False)

        signature = inspect.signature(test)
        assert set(arguments) <= set(signature.parameters), f"{test.__name__} takes no {names}"
        left = [parameter for name, parameter in signature.parameters.items() if name not in arguments]
        tries_every.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return tries_every

    return decorate


def _failure_of(test: Test, arguments: dict[str, Any]) -> str:
    """The failure of one case; empty if it passed. Its writes are undone, and sessions are kept."""
    signed_in = [(value, copy.deepcopy(value.cookies)) for value in arguments.values() if isinstance(value, Client)]
    try:
        case = transaction.atomic()
        case._from_testcase = True  # type: ignore[attr-defined] # as Django marks what only a test began
        with case:
            test(**arguments)
            transaction.set_rollback(True)
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever it is, the others are tried as well
        found = pytest.ExceptionInfo.from_exception(error)
        return str(found.getrepr(style="short"))[-MOST:]
    finally:
        for client, cookies in signed_in:
            client.cookies = cookies
    return ""

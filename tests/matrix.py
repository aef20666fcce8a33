"""Matrices: one test that tries many cases, each in a transaction of its own, and tells of all that failed.

A case costs what it does, and not what pytest and the fixtures add to each test: routes and roles make thousands of them.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

MOST = 2000  # characters of a failure that are told

Test = Callable[..., None]
Cases = Iterable[Any] | Callable[[Mapping[str, Any]], Iterable[Any]]


def every(names: str, cases: Cases, *, ids: Callable[[Any], str] = str) -> Callable[[Test], Test]:
    """Have a test try every case, as `parametrize` would: `names` are the arguments, of which a case has one each.

    The database is as it was before each case. What the fixtures made is shared, so a test changes nothing of it but rows.
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
    """What went wrong with one case, if anything did; whatever it wrote is undone, and who was signed in still is."""
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

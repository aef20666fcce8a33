"""From whatever went wrong to one error of the portal."""

import pytest
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions

from batches.http.errors import as_portal_error, first_problem, headers, with_status
from batches.rules.errors import Conflict, InProgress, LostRace, NotAuthenticated, NotFound, PortalError
from batches.services.control.cancel import NotCancellable


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (NotFound("gone"), 404),
        (Http404(), 404),
        (PermissionDenied(), 403),
        (DisallowedHost(), 400),
        (RequestDataTooBig(), 413),
        (exceptions.ParseError(), 400),
        (exceptions.ValidationError("wrong"), 400),
        (exceptions.NotAuthenticated(), 401),
        (exceptions.AuthenticationFailed(), 401),
        (exceptions.PermissionDenied(), 403),
        (exceptions.NotFound(), 404),
        (exceptions.MethodNotAllowed("PUT"), 405),
        (exceptions.NotAcceptable(), 400),
        (exceptions.UnsupportedMediaType("text/x"), 415),
        (exceptions.Throttled(), 429),
        (exceptions.APIException("a secret"), 500),
        (OperationalError(), 503),
        (InterfaceError(), 503),
        (ZeroDivisionError("a secret"), 500),
        (KeyError("a secret"), 500),
    ],
)
def test_every_problem_has_a_status_and_tells_no_secret(problem: Exception, status: int) -> None:
    error = as_portal_error(problem)
    assert error.status == status
    assert error.message
    assert "a secret" not in error.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, 400), (401, 401), (404, 404), (411, 411), (418, 400), (429, 429), (500, 500), (502, 500), (503, 503)],
)
def test_a_bare_status_becomes_the_error_that_fits_best(status: int, expected: int) -> None:
    assert with_status(status).status == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotAuthenticated(), {"WWW-Authenticate": "Bearer"}),
        (NotCancellable(), {"x-should-retry": "false"}),
        (Conflict(), {"x-should-retry": "false"}),
        (LostRace(), {}),
        (PortalError(), {}),
    ],
)
def test_a_conflict_is_not_to_be_tried_again_unless_it_was_a_race(error: PortalError, expected: dict[str, str]) -> None:
    assert headers(error) == expected


def test_who_is_to_come_back_is_told_when_in_the_one_way_that_every_client_knows() -> None:
    named = headers(InProgress())
    assert set(named) == {"Retry-After"}
    assert 0 < int(named["Retry-After"]) <= 60, "some clients wait no longer, others give up"


def test_the_first_of_many_problems_is_named_with_its_path() -> None:
    problem = exceptions.ValidationError({"outer": {"inner": ["It is wrong."]}, "other": ["It is wrong, too."]}, code="invalid")
    error = first_problem(problem)
    assert (error.param, error.message) == ("outer.inner", "Invalid value for 'outer.inner': It is wrong.")

"""NativeView: the base of every view of the native API."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from django.conf import settings
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from batches.api.access import Caller, CallerAuthentication, caller_of, find_batch, find_file
from batches.api.errors import render_error
from batches.filters import StrictFilterSet
from batches.http.errors import InvalidValue, UnknownParameter
from batches.http.fields import valid
from batches.http.paging import query_number
from batches.http.views import DialectView
from batches.models import ApiKey, Batch, File, IdempotencyRecord
from batches.rules.actors import Actor
from batches.services.core.access import Right
from batches.services.intake.extras import NO_EXTRAS, Extras
from batches.services.intake.idempotency import TOKEN_CHARS

VERSION_HEADER = "x-batchyard-version"
MAX_LIMIT = 100
DEFAULT_LIMIT = 20


class NativeView(ViewSetMixin, DialectView):
    """A view that checks the rights of its caller. `requires` names the right that each action needs.

    If the path names a batch or a file, `find_batch` and `find_file` check the right in its project. Otherwise the caller needs
    the right in at least one project. A key has every right that its scopes allow, in its own project.
    """

    thing: ClassVar[str]  # the word in audit entries for the thing that the calls act on
    requires: ClassVar[Mapping[str, Right]]

    render_error = staticmethod(render_error)
    authentication_classes = (CallerAuthentication,)
    is_caller_known = False

    @cached_property
    def caller(self) -> Caller:
        """The sender of this request."""
        return caller_of(self.request)

    @property
    def api_key(self) -> ApiKey | None:
        """The API key of this call; None for a session of the console."""
        return self.request.auth if isinstance(self.request.auth, ApiKey) else None

    @property
    def right(self) -> Right:
        """The right that this call needs."""
        return self.requires[self.action or ""]

    @property
    def act(self) -> str:
        """The name of this act in audit entries."""
        return f"{self.action}_{self.thing}"

    def find_batch(self, text: str) -> Batch:
        """The batch that the path names. Raises NotFound and NotPermitted."""
        return find_batch(self.caller, text, right=self.right, act=self.act)

    def find_file(self, text: str, *, now: datetime) -> File:
        """The file that the path names. Raises NotFound and NotPermitted."""
        return find_file(self.caller, text, right=self.right, act=self.act, now=now)

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    def check_query(self, request: Request) -> None:
        """Do nothing: each action names the parameters that it reads (see `allow_parameters`)."""

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        self.is_caller_known = True

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Add the portal's version to the answer, if the caller is known. Strangers do not get it."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        if self.is_caller_known:
            answer.headers[VERSION_HEADER] = settings.VERSION
        return answer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.check_length(request)  # to check a session's CSRF token, Django may read a form
        super().initial(request, *args, **kwargs)
        if self.action in self.requires and not kwargs:
            self.caller.require(self.right, None, act=self.act)

    def fields(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The fields of the body. Raises ValidationError, also for a name that the serializer does not have."""
        return valid(serializer, self.request.data)

    def repeatable(
        self, *, body: str, path: str = "", extras: Extras = NO_EXTRAS
    ) -> AbstractContextManager[IdempotencyRecord | None]:
        """The reservation of this call (see `idempotency`). Calls of sessions have none, because people see what they did."""
        token = self.request.headers.get("Idempotency-Key", "")
        if len(token) > TOKEN_CHARS:
            raise InvalidValue(f"An Idempotency-Key may have {TOKEN_CHARS} characters.", param="Idempotency-Key")
        if self.api_key:
            return self.reserved(body=body, path=path or self.request.path, extras=extras)
        if token:
            raise InvalidValue("An Idempotency-Key is understood only with an API key.", param="Idempotency-Key")
        return nullcontext()

    def limit(self) -> int:
        """How many items a page may have."""
        return query_number(self.request.query_params, "limit", minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT)

    def allow_parameters(self, *names: str) -> None:
        """Raise InvalidRequest if the query string has a parameter besides these, or has one of these twice."""
        for name, values in self.request.query_params.lists():
            if name in names and len(values) > 1:
                raise InvalidValue(f"Invalid value for {name!r}: it is given more than once.", param=name)
            if name not in names:
                raise UnknownParameter(f"There is no parameter {name[:100]!r} here.", param=name[:100])

    def page(self, items: Iterable[Any], *, next_cursor: object | None) -> Response:
        """The answer of a list. `next` is the address of the next page, with the same filters."""
        cursor, following = None if next_cursor is None else str(next_cursor), None
        if cursor is not None:
            query = self.request.query_params.copy()
            query["cursor"] = cursor
            following = f"{self.request.build_absolute_uri(self.request.path)}?{query.urlencode()}"
        return Response({"data": list(items), "next_cursor": cursor, "next": following})


def require_understood(chosen: StrictFilterSet, query: QueryDict) -> None:
    """Raise InvalidRequest, naming the parameter, if a filter set does not accept it, or if it is empty, as in a form."""
    for name in query:
        if "" in query.getlist(name):
            raise InvalidValue(f"Invalid value for {name[:100]!r}: it is empty.", param=name[:100])
    for name, sentence in chosen.refused.items():
        error = InvalidValue if chosen.knows(name) else UnknownParameter
        raise error(sentence, param=name[:100])

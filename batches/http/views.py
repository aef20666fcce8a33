"""DialectView: the base of every view of every dialect."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.metadata import BaseMetadata
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.http import errors
from batches.http.callers.call_limits import Call, begin_call
from batches.http.callers.senders import client_address, vouch
from batches.http.errors import InvalidValue, UnknownParameter
from batches.http.parsers import JSONParser, NoNegotiation, bound_body, require_plain
from batches.http.rendering import JSONRenderer
from batches.http.request_ids import request_id
from batches.http.scopes import need_of, require_scope
from batches.models import ApiKey, IdempotencyRecord, Project
from batches.rules.actors import Actor
from batches.rules.errors import NotAuthenticated, PortalError, TooLarge
from batches.rules.states import Source
from batches.services.core.route import route
from batches.services.intake.extras import NO_EXTRAS, Extras
from batches.services.intake.idempotency import digest_of, reserved
from batches.services.people.authenticate import authenticate
from batches.services.policy.emergency_stop import IntakeStopped, require_intake
from batches.services.policy.quota import require_room_now

logger = logging.getLogger(__name__)


OF_SDKS = ("beta", "api-version")  # parameters that some SDKs put into the query of every call


class KeyAuthentication(BaseAuthentication):
    """Authentication by an API key: as a bearer token, or in one of the view's `key_headers`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey]:
        scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
        plain = credential.strip() if scheme.lower() == "bearer" else ""
        view = request.parser_context["view"]
        candidates = [plain, *(request.headers.get(name, "").strip() for name in view.key_headers)]
        plain = next(filter(None, candidates), "")
        if not plain:
            raise NotAuthenticated("You did not give an API key. Send it as a bearer token: 'Authorization: Bearer KEY'.")
        address = client_address(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))
        key = authenticate(plain, address=address, now=timezone.now())
        vouch(request._request.META, project=key.project_id)
        return AnonymousUser(), key


class AllowedMethods(BaseMetadata):
    """The answer to OPTIONS."""

    def determine_metadata(self, _request: Request, view: APIView) -> dict[str, Any]:
        return {"allow": view.allowed_methods}


class DialectView(APIView):
    """Authenticates before any body is read, ignores Accept, and answers every error in the dialect's words."""

    key_headers: ClassVar[tuple[str, ...]] = ()  # headers that may hold a key, besides `Authorization`
    # `reads` are the query parameters of each method, `always_reads` those of every call of the dialect. Any other parameter
    # is refused, except in `lenient` methods. A parameter that is given twice is always refused.
    reads: ClassVar[Mapping[str, Sequence[str]]] = {}
    always_reads: ClassVar[Sequence[str]] = ()
    lenient: ClassVar[frozenset[str]] = frozenset()

    authentication_classes = (KeyAuthentication,)
    permission_classes = ()
    parser_classes: Sequence[type[BaseParser]] = (JSONParser,)
    renderer_classes = (JSONRenderer,)
    metadata_class = AllowedMethods
    content_negotiation_class = NoNegotiation

    @staticmethod
    def render_error(error: PortalError, request_id: str) -> Mapping[str, Any]:
        """The body of the answer to an error."""
        raise NotImplementedError

    call: Call | None = None  # the counted call, as soon as the key is known

    @property
    def key(self) -> ApiKey:
        """The API key of this request."""
        assert isinstance(self.request.auth, ApiKey)
        return self.request.auth

    @property
    def project(self) -> Project:
        """The project of the request's key."""
        return self.key.project

    @property
    def actor(self) -> Actor:
        """The actor, for the timeline: the key."""
        return Actor(f"key {self.key.name}", Source.API)

    @property
    def is_retry(self) -> bool:
        """Whether the client says that this call repeats an earlier one."""
        return self.request.headers.get("x-stainless-retry-count", "").strip("0").isdecimal()

    def max_body_bytes(self) -> int:
        """The most bytes that the body of a request may have."""
        return settings.MAX_JSON_BYTES

    @property
    def may_repeat(self) -> bool:
        """Whether this create call may repeat one that was carried out. Only the digest of the whole body can tell."""
        return self.is_retry or bool(self.request.headers.get("Idempotency-Key"))

    @property
    def announced_bytes(self) -> int:
        """The length of the body that the client announces; 0 if it announces none."""
        declared = self.request.headers.get("Content-Length", "")
        return int(declared) if declared.isdecimal() else 0

    def require_room_for_body(self, *, besides: int = 0) -> None:
        """Raise QuotaExceeded, before the body is read, if its announced length is more than the project may still store.

        `besides` is the number of bytes in a body that are not stored.
        """
        require_room_now(self.project, stored_bytes=max(self.announced_bytes - besides, 0))

    def require_room_for_batch(self, *, endpoint: str, provider: str | None) -> None:
        """Refuse a batch that cannot be created now, before its requests are read. All checks are repeated afterwards."""
        if self.may_repeat:
            return
        self.require_room_for_body()
        require_room_now(self.project, open_batches=1)
        require_intake(self.project, provider=route(self.project, endpoint=endpoint, name=provider))

    def reserved(
        self, *, body: str, path: str, provider: str | None = None, extras: Extras = NO_EXTRAS
    ) -> AbstractContextManager[IdempotencyRecord]:
        """The reservation of this create call (see `idempotency`); `body` is the digest of its document.

        `path` names the call, the same for all of its addresses. `provider` and `extras` are given in headers or in the query.
        """
        headers = self.request.headers
        return reserved(
            self.key,
            path=path,
            digest=digest_of(body=body, provider=provider, extras=extras),
            token=headers.get("Idempotency-Key", "").replace("\0", ""),
            is_retry=self.is_retry,
            now=timezone.now(),
        )

    def error_body(self, error: PortalError, identifier: str) -> Mapping[str, Any]:
        """The body of the answer to an error. A view may override it to add facts about the request."""
        return type(self).render_error(error, identifier)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        request.encoding = "utf-8"  # the charset of the content type is ignored
        return super().initialize_request(request, *args, **kwargs)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request. The call of a key counts until its answer is sent, or has failed."""
        response = super().dispatch(request, *args, **kwargs)
        if self.call:
            try:
                if isinstance(response, Response):
                    response.render()
            except BaseException:
                self.call.end()
                raise
            response._resource_closers.append(self.call.end)  # type: ignore[attr-defined]  # called at its end
        return response

    def check_throttles(self, request: Request) -> None:
        """Count the call of a key, after authentication and before the body is read. Raises RateLimited."""
        if isinstance(request.auth, ApiKey):
            self.call = begin_call(request.auth)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.check_need(request)
        self.check_query(request)
        self.check_length(request)

    def check_need(self, request: Request) -> None:
        """Refuse a call before its body is read: if its key lacks the scope, or if it takes something in while intake is stopped.

        A create call that may repeat an earlier one is checked against stopped intake later, and only if it is new.
        """
        method, key = str(request.method), request.auth
        if not isinstance(key, ApiKey) or method == "OPTIONS" or method not in self.allowed_methods:
            return
        assert request.resolver_match is not None
        need = need_of(request.resolver_match.route, method)
        require_scope(key, need)
        if need and need.takes_in and not self.may_repeat:
            require_intake(key.project)

    def check_query(self, request: Request) -> None:
        """Refuse a query with an unknown parameter, or with one that is given twice. No wish of a client is silently ignored."""
        method = "GET" if request.method == "HEAD" else str(request.method)
        known = {*OF_SDKS, *self.always_reads, *self.reads.get(method, ())}
        for name, values in request.query_params.lists():
            shown = name[:100]
            if name not in known and method not in self.lenient:
                raise UnknownParameter(f"Unknown parameter: '{shown}'.", param=shown)
            if name in known and len(values) > 1:
                raise InvalidValue(f"Invalid value for '{shown}': it is given more than once.", param=shown)

    def check_length(self, request: Request) -> None:
        """Refuse a body that is encoded or too long, without reading it. A body of unknown length is read up to the limit."""
        require_plain(request._request)
        limit = self.max_body_bytes()
        declared = request.headers.get("Content-Length", "")
        if request.headers.get("Transfer-Encoding") and not declared:
            bound_body(request._request, limit=limit)
        if declared.isdecimal() and int(declared) > limit:
            raise TooLarge(f"The request body has {declared[:30]} bytes; it may have {limit}.")

    def handle_exception(self, exc: Exception) -> Response:
        error = errors.as_portal_error(exc)
        identifier = request_id(self.request._request)
        if error.status >= 500 and not isinstance(error, IntakeStopped):  # stopped intake is no fault
            logger.error("%s %s failed (%s)", self.request.method, self.request.path, identifier, exc_info=exc)
        body = self.error_body(error, identifier)
        headers = errors.headers(error, allow=", ".join(self.allowed_methods))
        return Response(body, status=error.status, headers=headers)

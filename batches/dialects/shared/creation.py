"""Creating a batch from an uploaded file or from requests in the call itself, as OpenAI's contract and gateways define it.

`model` may be `provider/model`; then this provider carries the batch out. The bodies of requests pass unchanged, so each
request uses the model that its own body names.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, BinaryIO, ClassVar, NotRequired, TypedDict, cast

import msgspec
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from rest_framework.request import Request

from batches.dialects.shared.endpoints import CHAT, ENDPOINTS, MESSAGES, canonical, require_endpoint
from batches.dialects.shared.inline import InlineBody, InlineRequest, decode_item
from batches.dialects.shared.providers import chosen_provider, named_provider, require_granted
from batches.dialects.shared.reading import find_file
from batches.http.errors import InvalidType, InvalidValue, MissingParameter, UnsupportedMediaType
from batches.http.fields import (
    USUAL_WINDOW,
    AnyCompletionWindow,
    CallbackUrl,
    CompletionWindow,
    Fields,
    HowToRun,
    Lifetime,
    Metadata,
    OneOf,
    Text,
    valid,
    valid_so_far,
)
from batches.http.parsers import FORM
from batches.http.views import DialectView
from batches.models import Batch, Dialect, File, OnInvalid, Project
from batches.rules.lines.jsonl import read_lines, read_request, request_line
from batches.rules.lines.line_rules import QUALIFIED_MODEL_CHARS
from batches.services.core.route import route
from batches.services.intake.extras import Extras, asked_extras, fitting_extras
from batches.services.intake.inline import spooled, submit_gathered
from batches.services.intake.submission import Submission
from batches.services.intake.submit import submit
from batches.services.policy.emergency_stop import require_intake
from batches.services.policy.execution import chosen_at_submit
from batches.services.policy.quota import require_room_now

ARRAY = "requests"


class ModelName(Text):
    """The model of requests that name none, as `MODEL` or `PROVIDER/MODEL`; null or nothing for none."""

    def __init__(self) -> None:
        super().__init__(max_length=QUALIFIED_MODEL_CHARS, required=False, allow_null=True, default=None)


class ProviderName(Text):
    """The name of the provider for a batch. With null or nothing, the portal chooses."""

    def __init__(self) -> None:
        super().__init__(max_length=100, required=False, allow_null=True, default=None)


class CreateBatch(Fields):
    """The parameters that the dialects share. Each dialect adds its `endpoint`. Without a window, `usual_window` holds."""

    usual_window: ClassVar[CompletionWindow] = USUAL_WINDOW

    completion_window = AnyCompletionWindow(required=False, allow_null=True, default=None)
    on_invalid = OneOf(OnInvalid.values, default=OnInvalid.FAIL.value)
    input_file_id = Text(required=False, allow_null=True, default=None)
    metadata = Metadata()
    output_expires_after = Lifetime()
    execution = HowToRun()
    callback_url = CallbackUrl()

    def validate_completion_window(self, window: CompletionWindow | None) -> CompletionWindow:
        return window or self.usual_window


class CreateFields(TypedDict):
    """The parameters of a create call besides its requests, as CreateBatch parses them. Some contracts lack the last two."""

    endpoint: str | None
    completion_window: CompletionWindow
    on_invalid: str
    input_file_id: str | None
    metadata: dict[str, str] | None
    output_expires_after: timedelta | None
    execution: str | None
    callback_url: str | None
    model: NotRequired[str | None]
    provider: NotRequired[str | None]


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    custom_id: str
    method: str | None = None
    url: str | None = None
    body: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()


_items = msgspec.json.Decoder(_Item)


class Items:
    """Reads the items of one create call, in OpenAI's form (`body`) or Anthropic's (`params`)."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.written: set[str] = set()  # the urls of the lines that were written so far
        self._named: tuple[str, int] | None = None  # the endpoint that items name, and the index of the first such item

    def read(self, index: int, raw: bytes) -> InlineRequest:
        """One item as a request. Raises InvalidRequest with the place of the fault."""
        where = f"{ARRAY}.{index}"
        item: _Item = decode_item(_items, raw, where=where)
        body, params = _given(item.body), _given(item.params)
        if bool(body) == bool(params):
            raise InvalidValue(f"{where}: it must have a body or params, and not both.", param=where)
        if not (body or params).startswith(b"{"):
            place = f"{where}.{'body' if body else 'params'}"
            raise InvalidType(f"{place}: it must be an object.", param=place)
        if item.method not in (None, "POST"):
            raise InvalidValue(f"{where}.method: it must be POST.", param=f"{where}.method")
        self._note(MESSAGES if params else "", index)
        self._note(canonical(item.url or ""), index)
        url = self._named[0] if self._named else CHAT
        self.written.add(url)
        return InlineRequest(item.custom_id, url, body or params)

    def endpoint(self, asked: str | None) -> str:
        """The endpoint of the batch: the one in the call, else the one in its items, else chat completions."""
        if self._named is None:
            return asked or CHAT
        named, index = self._named
        if asked not in (None, named):
            raise InvalidValue(f"{ARRAY}.{index}: it is for {named}; the batch's endpoint is {asked}.", param=f"{ARRAY}.{index}")
        return named

    def _note(self, url: str, index: int) -> None:
        if not url:
            return
        place = f"{ARRAY}.{index}.url"
        if url not in self.written:
            require_endpoint(self._project, url, place=place)
        if self._named is None:
            self._named = url, index
        elif self._named[0] != url:
            raise InvalidValue(f"{place}: it is for {url}; {ARRAY}.{self._named[1]} is for {self._named[0]}.", param=place)


class BatchCreation(DialectView):
    """A view that creates batches of `dialect`. `parameters` is the serializer of the body."""

    dialect: ClassVar[Dialect]
    create_path: ClassVar[str]  # the path under which repeated create calls are recognised, the same for all paths of the dialect
    parameters: ClassVar[type[CreateBatch]]
    endpoints: ClassVar[Sequence[str]] = ENDPOINTS  # the endpoints of the contract

    def max_body_bytes(self) -> int:
        return settings.MAX_INLINE_BYTES

    def provider_name(self, named: str | None) -> str | None:
        """The provider for the batch, given the name from the client. With None, the portal chooses."""
        return named

    def endpoint_of(self, _file: File) -> str:
        """The endpoint of a batch over a file, if the call names none. Here: raise MissingParameter."""
        raise MissingParameter("Missing required parameter: 'endpoint'.", param="endpoint")

    def created(self, request: Request) -> tuple[Batch, str | None]:
        """Create the batch of a call, or find it if the call repeats an earlier one. Also returns the model in the call."""
        if (request.content_type or "").startswith(FORM):
            raise UnsupportedMediaType("Send the request body as JSON (Content-Type: application/json).")
        body = InlineBody(
            request._request,
            array=ARRAY,
            max_bytes=self.max_body_bytes(),
            max_items=settings.MAX_BATCH_LINES,
            max_item_bytes=settings.MAX_LINE_BYTES,
            at_array=lambda head: self.check_head(request, head),
        )
        items = Items(self.project)
        with spooled(body.lines(items.read)) as content:
            require_one_input(body)
            asked = cast("CreateFields", valid(self.parameters, {name: body.head[name] for name in body.head if name != ARRAY}))
            model = asked.get("model")
            self._require_known(asked["endpoint"])
            named = named_provider(request) or asked.get("provider")
            provider = self.provider_name(chosen_provider(self.project, model=model, named=named))
            extras = asked_extras(request.headers)
            with self.reserved(body=body.digest, path=self.create_path, provider=provider, extras=extras) as reservation:
                if reservation.batch is not None:
                    return reservation.batch, model
                actor, now, key = self.actor, timezone.now(), self.key
                if body.count:
                    endpoint = items.endpoint(asked["endpoint"])
                    submission = self._submission(asked, endpoint, provider=provider, extras=extras, requests=body.count)
                    with addressed(content, endpoint, written=items.written) as lines:
                        return submit_gathered(submission, lines, actor=actor, now=now, key=key, reservation=reservation), model
                assert asked["input_file_id"] is not None
                file = find_file(self.project, asked["input_file_id"], now=now, param="input_file_id")
                endpoint = asked["endpoint"] or self.endpoint_of(file)
                submission = self._submission(asked, endpoint, provider=provider, extras=extras)
                return submit(submission, input_file=file, actor=actor, now=now, key=key, reservation=reservation), model

    def check_head(self, request: Request, head: Mapping[str, Any]) -> None:
        """Refuse a call that cannot become a batch, by the parameters before its requests, which may have 200 MB.

        All checks are repeated after the requests are read.
        """
        fields = valid_so_far(self.parameters, head)
        if self.may_repeat:
            return
        self.require_room_for_body()
        require_room_now(self.project, open_batches=1)
        named = named_provider(request) or fields.get("provider")
        provider = chosen_provider(self.project, model=fields.get("model"), named=named)
        if provider is not None:
            require_granted(self.project, str(self.provider_name(provider)))
        if endpoint := fields.get("endpoint"):
            self._require_known(endpoint)
            chosen = route(self.project, endpoint=endpoint, name=provider)
            require_intake(self.project, provider=chosen)
            chosen_at_submit(fields.get("execution") or "", project=self.project, provider=chosen, endpoint=endpoint)

    def _require_known(self, endpoint: str | None) -> None:
        if endpoint is not None:
            require_endpoint(self.project, endpoint, place="Invalid value for 'endpoint'", known=self.endpoints)

    def _submission(
        self, asked: CreateFields, endpoint: str, *, provider: str | None, extras: Extras, requests: int = 0
    ) -> Submission:
        window = asked["completion_window"]
        return Submission(
            project=self.project,
            dialect=self.dialect,
            endpoint=endpoint,
            completion_window=window.word,
            window=window.length,
            metadata=asked["metadata"],
            output_lifetime=asked["output_expires_after"],
            provider_name=provider,
            extras=fitting_extras(extras, endpoint=endpoint),
            model=asked.get("model"),
            on_invalid=OnInvalid(asked["on_invalid"]),
            requests=requests,
            execution=asked["execution"] or "",
            callback_url=asked["callback_url"] or "",
        )


def require_one_input(body: InlineBody) -> None:
    """Raise InvalidRequest unless a body, read to its end, has either a file or at least one item."""
    if body.head.get(ARRAY) is not None:
        raise InvalidType(f"Invalid value for '{ARRAY}': it must be a list.", param=ARRAY)
    has_file = body.head.get("input_file_id") is not None
    if has_file and body.count:
        raise InvalidValue(f"Give either 'input_file_id' or '{ARRAY}', not both.", param=ARRAY)
    if not has_file and not body.count:
        raise MissingParameter(f"Missing required parameter: 'input_file_id' (or '{ARRAY}').", param="input_file_id")


@contextmanager
def addressed(content: "UploadedFile[Any]", url: str, *, written: Set[str]) -> "Iterator[UploadedFile[Any]]":
    """The gathered lines, all with this url. They are rewritten only if the body named the endpoint after some of them."""
    if written == {url}:
        yield content
    else:
        with spooled(_readdressed(content, url)) as lines:
            yield lines


def _readdressed(content: "UploadedFile[Any]", url: str) -> Iterator[bytes]:
    for line in read_lines(cast(BinaryIO, content), max_line_bytes=settings.MAX_LINE_BYTES):
        assert line.content is not None
        request = read_request(line.content)
        yield request_line(custom_id=request.custom_id, url=url, body=bytes(request.body))


def _given(document: msgspec.Raw) -> bytes:
    """The bytes of a document. null counts as absent, and gives no bytes."""
    content = bytes(document)
    return b"" if content == b"null" else content

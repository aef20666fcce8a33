"""The views of the Bifrost dialect. Each view parses a call, calls one service, and renders the answer."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.http import HttpRequest, QueryDict, StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.bifrost import inbound, outbound
from batches.dialects.bifrost.errors import render_error
from batches.dialects.shared import files, models
from batches.dialects.shared.creation import BatchCreation
from batches.dialects.shared.endpoints import MESSAGES, endpoint_of_first_line
from batches.dialects.shared.providers import HEADER, named_provider, require_granted
from batches.dialects.shared.reading import archived_at, find_batch_at
from batches.dialects.shared.result_documents import INCLUDED, streamed
from batches.dialects.shared.result_pages import parse_cursor
from batches.http.errors import InvalidValue, MissingParameter
from batches.http.paging import Page, page_beside, query_number, query_word
from batches.http.rendering import list_object
from batches.http.views import DialectView
from batches.models import Batch, Dialect, File
from batches.rules.errors import Gone, PortalError
from batches.rules.lines.default_model import bare_model
from batches.services.control.cancel import cancel
from batches.services.intake.idempotency import note_use
from batches.services.policy.catalogue import OfferedModel
from batches.services.results.results import require_results

BATCHES = "/bifrost/v1/batches"
FILES = "/bifrost/v1/files"


class BifrostView(DialectView):
    """A view of this dialect. `provider` and `model` are those of the call, as far as they are known."""

    render_error = staticmethod(render_error)
    key_headers = ("x-bf-vk", "x-api-key")
    always_reads = ("provider", HEADER)
    request_types: ClassVar[Mapping[str, str]] = {}  # the names of calls in `extra_fields`, by method

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.began = time.monotonic()
        self.provider = self.model = ""

    def require_provider(self, request: Request) -> str:
        """The provider that the call names. Raises MissingParameter."""
        name = named_provider(request)
        if name is None:
            raise MissingParameter("The query parameter 'provider' is required: ?provider=NAME.", param="provider")
        self.provider = name
        return name

    def find(self, request: Request, text: str) -> Batch:
        """The project's batch with this id at the provider that the call names. Raises NotFound."""
        provider = self.require_provider(request)
        batch = find_batch_at(self.key, text, provider=provider)
        self.model = batch.model
        return batch

    def url(self, path: str) -> str:
        """The address of a path under the host of this request."""
        return self.request.build_absolute_uri(path)

    def extra_fields(self, *, deployment: str = "") -> dict[str, Any]:
        """The fields of an answer about its call. `deployment` is the model that the provider was asked for."""
        latency = int((time.monotonic() - self.began) * 1000)
        return self._call() | ({"model_deployment": deployment} if deployment else {}) | {"latency": latency}

    def answer(self, shown: Mapping[str, Any]) -> Response:
        """An answer about one batch, or several."""
        return Response({**shown, "extra_fields": self.extra_fields(deployment=self.model)})

    def error_body(self, error: PortalError, identifier: str) -> dict[str, Any]:
        return {**super().error_body(error, identifier), "extra_fields": self._call()}

    def _call(self) -> dict[str, Any]:
        call = {
            "request_type": self.request_types.get(str(self.request.method)),
            "provider": self.provider,
            "model_requested": self.model,
        }
        return {name: value for name, value in call.items() if value}


class Batches(BifrostView, BatchCreation):
    """/batches"""

    dialect = Dialect.BIFROST
    create_path = BATCHES
    parameters = inbound.CreateBatch
    request_types: ClassVar = {"GET": "batch_list", "POST": "batch_create"}
    reads: ClassVar = {"GET": ("after", "before", "limit", "status")}

    def get(self, request: Request) -> Response:
        query = request.query_params
        provider = self.require_provider(request)
        limit = query_number(query, "limit", minimum=1, maximum=1000, default=20)
        after, before = query.get("after"), query.get("before")
        if after is not None and before is not None:
            raise InvalidValue("Give either 'after' or 'before', not both.", param="before")
        known = Batch.objects.filter(project=self.project)
        visible = Batch.objects.visible(project=self.project).filter(inbound.status_filter(query), provider__name=provider)
        visible = visible.select_related("provider")
        page = page_beside(visible, known, after=after, before=before, limit=limit, names=("after", "before"))
        note_use(page.rows, key=self.key, now=timezone.now())
        return self.answer(outbound.page(page.rows, has_more=page.has_more, url=self.url(BATCHES), now=timezone.now()))

    def post(self, request: Request) -> Response:
        batch, model = self.created(request)
        self.provider = batch.provider.name
        self.model = bare_model(model, provider=self.provider) or batch.model
        shown = outbound.created(batch, url=self.url(BATCHES))
        return Response(shown | {"extra_fields": self.extra_fields(deployment=batch.model)})

    def provider_name(self, named: str | None) -> str | None:
        """The provider for the batch. In this dialect the client has to name it."""
        if named is None:
            message = "The provider is required: name it in model ('provider/model'), or in the query (?provider=NAME)."
            raise MissingParameter(message, param="provider")
        self.provider = named
        return named

    def endpoint_of(self, file: File) -> str:
        return endpoint_of_first_line(file)


class OneBatch(BifrostView):
    """/batches/{batch_id}"""

    request_types: ClassVar = {"GET": "batch_retrieve"}

    def get(self, request: Request, batch_id: str) -> Response:
        batch = self.find(request, batch_id)
        shown = outbound.batch_objects([batch], url=self.url(BATCHES), now=timezone.now())[0]
        extra = self.extra_fields(deployment=self.model) | outbound.provider_jobs(batch)
        return Response({**shown, "extra_fields": extra})


class CancelBatch(BifrostView):
    """/batches/{batch_id}/cancel"""

    request_types: ClassVar = {"POST": "batch_cancel"}

    def post(self, request: Request, batch_id: str) -> Response:
        batch = cancel(self.find(request, batch_id), actor=self.actor, now=timezone.now())
        return self.answer(outbound.cancelled(batch))


class BatchResults(BifrostView):
    """/batches/{batch_id}/results"""

    request_types: ClassVar = {"GET": "batch_results"}
    reads: ClassVar = {"GET": ("after", "cursor", "limit", "include")}

    def get(self, request: Request, batch_id: str) -> StreamingHttpResponse:
        query = request.query_params
        limit = query_number(query, "limit", minimum=1, maximum=1_000_000, default=0)
        if "after" in query and "cursor" in query:
            raise InvalidValue("Give either 'after' or 'cursor', not both.", param="cursor")
        cursor = parse_cursor(query.get("after", query.get("cursor")))
        include = query_word(query, "include", words=INCLUDED, default="")
        batch = self.find(request, batch_id)
        archived = archived_at(batch, now=timezone.now()) if batch.endpoint == MESSAGES else None
        if archived:
            raise Gone(f"The results of this batch are no longer kept: it was archived on {archived:%Y-%m-%d}.")
        require_results(batch)  # it may raise, so it comes before the answer begins
        more = {"extra_fields": self.extra_fields(deployment=self.model)}
        pieces = streamed(batch, cursor=cursor, limit=limit or None, include=include, more=more)
        return StreamingHttpResponse(pieces, content_type="application/json")


class BifrostFiles(BifrostView, files.FilesView):
    """The format of files. A file belongs to no provider. If a call names a provider, it must exist; the answer repeats it."""

    def note_provider(self, request: Request, spellings: QueryDict) -> None:
        """Keep the provider that the call names, in any of the ways. Raises NoProvider."""
        name = named_provider(request) or next(filter(None, map(spellings.get, ("provider", HEADER))), None)
        if name is not None:
            require_granted(self.project, name)
            self.provider = name

    def with_call_fields(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """A document with the fields about the call."""
        return {**shown, "extra_fields": self.extra_fields()}

    def file_object(self, file: File) -> dict[str, Any]:
        """The document for a file in a list."""
        return outbound.file_object(file, url=self.url(FILES))

    def shown(self, file: File) -> dict[str, Any]:
        return self.with_call_fields(self.file_object(file))

    def listed(self, page: Page[File]) -> dict[str, Any]:
        listed = list_object(map(self.file_object, page.rows), has_more=page.has_more)
        return self.with_call_fields(listed | ({"after": listed["last_id"]} if page.has_more else {}))

    def deleted(self, file: File) -> dict[str, Any]:
        return self.with_call_fields(super().deleted(file))


class Files(BifrostFiles, files.Files):
    """/files"""

    request_types: ClassVar = {"GET": "file_list", "POST": "file_upload"}
    form_names = ("provider", HEADER)

    def get(self, request: Request) -> Response:
        self.note_provider(request, request.query_params)
        return super().get(request)

    def post(self, request: Request) -> Response:
        _ = request.data  # parses the form
        self.note_provider(request, request.POST)
        return super().post(request)


class OneFile(BifrostFiles, files.OneFile):
    """/files/{file_id}"""

    request_types: ClassVar = {"GET": "file_retrieve", "DELETE": "file_delete"}


class FileContent(BifrostView, files.FileContent):
    """/files/{file_id}/content"""

    request_types: ClassVar = {"GET": "file_content"}


class BifrostModels(BifrostView, models.ModelsView):
    """The format of models: the id of each is `provider/model`."""

    def shown(self, model: OfferedModel) -> dict[str, Any]:
        return {**super().shown(model), "id": model.qualified, "name": model.name}

    def listed(self, models: Sequence[OfferedModel]) -> dict[str, Any]:
        name = named_provider(self.request)
        chosen = [model for model in models if name in (None, model.provider.name)]
        return {**super().listed(sorted(chosen, key=lambda model: model.qualified)), "extra_fields": self.extra_fields()}


class Models(BifrostModels, models.Models):
    """/models"""

    request_types: ClassVar = {"GET": "list_models"}


class OneModel(BifrostModels, models.OneModel):
    """/models/{model}"""

    request_types: ClassVar = {"GET": "retrieve_model"}

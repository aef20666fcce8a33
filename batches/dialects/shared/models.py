"""The views of the models that a key's project may use. A dialect may replace the format of a model."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from batches.http.errors import UnknownUrl
from batches.http.views import DialectView
from batches.services.policy.catalogue import OfferedModel, find_model, models_of


class ModelsView(DialectView):
    """A view of models. A dialect may override the methods that make its documents."""

    def shown(self, model: OfferedModel) -> Mapping[str, Any]:
        """The document for a model, in the format of OpenAI. The age of a model is unknown, so `created` is its provider's."""
        created = int(model.provider.created_at.timestamp())
        return {"id": model.id, "object": "model", "created": created, "owned_by": model.provider.name}

    def listed(self, models: Sequence[OfferedModel]) -> Mapping[str, Any]:
        """The document for all models. In the format of OpenAI, this list has no pages."""
        return {"object": "list", "data": [self.shown(model) for model in models]}


class Models(ModelsView):
    """/models"""

    def get(self, _request: Request) -> Response:
        return Response(self.listed(models_of(self.project)))


class OneModel(ModelsView):
    """/models/{model}; the name of a model may have slashes"""

    def get(self, request: Request, model: str) -> Response:
        if model.endswith("/"):
            raise UnknownUrl(f"There is nothing at {request.path[:200]}. Leave out the slash at its end.")
        return Response(self.shown(find_model(models_of(self.project), model)))

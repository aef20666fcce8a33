"""The OpenAPI document of the views: each parameter, each answer, and the callers that are allowed."""

from typing import Any

from django.conf import settings
from django_filters import (
    ChoiceFilter,
    Filter,
    FilterSet,
    IsoDateTimeFilter,
    MultipleChoiceFilter,
    NumberFilter,
)
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer, inline_serializer
from rest_framework import serializers

from batches.filters import NOT, positive
from batches.http.fields import METADATA_KEY_CHARS, METADATA_PAIRS, METADATA_VALUE_CHARS
from batches.http.scopes import need_of

BASE = "/api/v1"

PATH_PARAMETERS = {
    "batch_id": OpenApiParameter(
        "batch_id", str, "path", description="Its id; any spelling of it will do (`batch_…`, `msgbatch_…`, a UUID)."
    ),
    "delivery_id": OpenApiParameter("delivery_id", str, "path", description="Its id (`delivery_…`)."),
    "endpoint_id": OpenApiParameter(
        "endpoint_id",
        str,
        "path",
        description="Its id (`we_…`), or the word `callbacks` for the endpoint of the project's callback URLs.",
    ),
    "erasure_id": OpenApiParameter("erasure_id", str, "path", description="Its id (`erasure_…`)."),
    "file_id": OpenApiParameter("file_id", str, "path", description="Its id (`file-…`)."),
    "fingerprint": OpenApiParameter("fingerprint", str, "path", description="Its fingerprint (`v1:…`)."),
    "hold_id": OpenApiParameter("hold_id", str, "path", description="Its id (`hold_…`)."),
    "job_id": OpenApiParameter("job_id", str, "path", description="Its id (`job_…`)."),
    "line": OpenApiParameter("line", OpenApiTypes.INT, "path", description="The object's line in the input, from 1."),
    "name": OpenApiParameter("name", str, "path", description="Its name."),
}
ERRORS = {
    "400": "The request is not valid; `param` names what is wrong.",
    "401": "No valid API key was given, and nobody is signed in.",
    "403": "You may not do this, or the CSRF token of a session is missing.",
    "404": "There is no such object, or it belongs to another project.",
    "408": "The request body did not arrive in time.",
    "409": "It is not in a state in which this can be done, or the same call is being worked on.",
    "411": "The request has no Content-Length, and the server needs it.",
    "413": "The request is larger than allowed.",
    "415": "The request body is of a kind that is not read here.",
    "429": "There are too many calls, or a quota of the project is used up; the message says which.",
    "503": "The portal cannot do this right now, or an operator has stopped intake; try again after `Retry-After`.",
}
ALWAYS = ("400", "401", "403", "413", "429", "503")


class NativeSchema(AutoSchema):
    """The schema of an operation: its section is the view's, its text is the method's, and every possible error is added."""

    def get_tags(self) -> list[str]:
        tag: str = self.view.tag  # type: ignore[attr-defined]  # every view of this API has one
        return [tag]

    def get_override_parameters(self) -> list[Any]:
        return [parameter for name, parameter in PATH_PARAMETERS.items() if f"{{{name}}}" in self.path]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        names_a_thing = "{" in self.path or any(each["name"] == "batch" for each in operation.get("parameters", ()))
        statuses = [*ALWAYS, *(["404"] if names_a_thing else [])]
        if self.method in ("POST", "PATCH"):
            statuses += ["404", "408", "409", "411", "415"]
        need = need_of(self.path, self.method)
        scope = {"403": f" An API key needs the scope `{need.scope}`."} if need else {}
        for status in sorted(set(statuses)):
            operation["responses"][status] = error_response(ERRORS[status] + scope.get(status, ""))
        return operation


def error_response(description: str) -> dict[str, Any]:
    """The description of an answer whose body is an error."""
    return {"description": description, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}


def parameters_of(filters: type[FilterSet]) -> list[OpenApiParameter]:
    """The query parameters of a filter set. The spelling of negations that is no identifier is left out."""
    declared: dict[str, Filter] = filters.get_filters()  # type: ignore[no-untyped-call]
    return [_parameter(name, filter_) for name, filter_ in declared.items() if not name.endswith(NOT)]


def _parameter(name: str, filter_: Filter) -> OpenApiParameter:
    choices = [value for value, _ in filter_.extra.get("choices", ())] or None
    kind: Any = OpenApiTypes.STR
    if isinstance(filter_, NumberFilter):
        kind = {"type": "integer", "minimum": filter_.extra["min_value"], "maximum": filter_.extra["max_value"]}
    elif isinstance(filter_, IsoDateTimeFilter):
        kind = OpenApiTypes.DATETIME
    elif (limit := filter_.extra.get("max_length")) and not isinstance(filter_, MultipleChoiceFilter):
        kind = {"type": "string", "maxLength": limit}
    return OpenApiParameter(
        name,
        kind,
        description=filter_.extra.get("help_text") or DESCRIPTIONS.get(name) or _negated(name),
        enum=choices if isinstance(filter_, ChoiceFilter | MultipleChoiceFilter) else None,
        many=isinstance(filter_, MultipleChoiceFilter),
    )


def _negated(name: str) -> str:
    return f"Leave these out; as `{positive(name)}` otherwise. In addresses also `{positive(name)}{NOT}`."


DESCRIPTIONS = {
    "view": "A question that is asked every day, as the console has it.",
    "text": "An id or the start of one, or words of the remark.",
    "status": "Its status; may be given several times.",
    "project": "The slug of a project.",
    "provider": "The name of a provider.",
    "dialect": "The contract through which it came in.",
    "key": "The first characters of the API key that made it, as `key.prefix` shows them.",
    "endpoint": "What its requests are for, such as `/v1/chat/completions`.",
    "model": "The model that its requests name.",
    "condition": "What may be the matter with it; may be given several times.",
    "created": "How long ago it was created, at most: `90m`, `24h`, `7d`, `2w`; or `today`, or `last_night` (18:00 to 8:00).",
    "created_from": "Created at this time or later.",
    "created_to": "Created before this time.",
    "has_errors": "Whether its input was refused or some of its objects failed.",
    "custom_id": "Part of its `custom_id`.",
    "error": "The fingerprint of an error group.",
    "code": "The code of the error.",
    "line": "The line that it concerns.",
    "source": "Who has to act on it.",
    "muted": "Whether it was set aside.",
}


def page_of(item: type[serializers.Serializer[Any]], name: str) -> Any:
    """The schema of a page of a list."""
    page = inline_serializer(
        name,
        fields={
            "data": item(many=True),
            "next_cursor": serializers.CharField(allow_null=True, help_text="Where the next page begins; null on the last one."),
            "next": serializers.URLField(allow_null=True, help_text="The address of the next page, with the same filters."),
        },
    )
    return extend_schema_serializer(many=False)(type(page))


class CallerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the library registers it untyped
    """Authentication by an API key, or by a session of the console."""

    target_class = "batches.api.access.CallerAuthentication"
    name = ("key", "session")  # type: ignore[assignment]  # the library accepts several names, but is typed for one

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:
        del auto_schema
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key of a project, with the scope that a call needs.",
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": settings.SESSION_COOKIE_NAME,
                "description": "Whoever is signed in to the console, with their permissions. Calls that write need its CSRF token"
                " in the header `X-CSRFToken`.",
            },
        ]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        del auto_schema
        return [{name: []} for name in self.name]


class MetadataSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # the library registers it untyped
    """Metadata: pairs of strings."""

    target_class = "batches.http.fields.Metadata"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        del auto_schema, direction
        return {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": METADATA_VALUE_CHARS},
            "maxProperties": METADATA_PAIRS,
            "nullable": True,
            "description": f"Pairs of strings to find the batch by; keys of up to {METADATA_KEY_CHARS} characters.",
        }


def only_native(endpoints: list[Any]) -> list[Any]:
    """The endpoints of this API. The other dialects follow contracts that their vendors document."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(f"{BASE}/")]


def with_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the schema of errors, which is the same for all calls."""
    error = {
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "Stable, for programs.", "example": "not_found"},
            "message": {"type": "string", "description": "For people.", "example": "There is no batch with the id 'batch_0'."},
            "param": {"type": "string", "nullable": True, "description": "What is wrong, where one thing is."},
            "request_id": {"type": "string", "description": "The same as in the header `x-request-id`, and in the portal's log."},
        },
        "required": ["code", "message", "param", "request_id"],
        "additionalProperties": False,
    }
    body = {"type": "object", "properties": {"error": error}, "required": ["error"], "additionalProperties": False}
    result["components"]["schemas"]["Error"] = {**body, "description": "What every answer from 400 on looks like."}
    return result

"""Emergency stops. They are begun and ended through the same services as in the console."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from batches.admin.scope import OwnProjects, Scoped, access
from batches.models import EmergencyStop, Stopped
from batches.rules.errors import Conflict, InvalidRequest, NotPermitted
from batches.services.core.access import Right
from batches.services.policy.emergency_stop import Place, begin_stop, checked_reason, end_stop, require_free, require_may_stop
from providers.models import Provider

# Only the type checker needs the parameter of the class.
if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[EmergencyStop]
else:
    _ModelForm = forms.ModelForm


class StopForm(_ModelForm):
    """The form for a new stop. An admin of projects only must name one of these projects."""

    def clean(self) -> dict[str, Any] | None:
        """Add the problems that the service would report, each to its field."""
        cleaned = super().clean() or self.cleaned_data
        if "what" in cleaned:
            try:
                require_free(Stopped(cleaned["what"]), Place(cleaned.get("provider"), cleaned.get("project")))
            except Conflict as error:
                self.add_error(None, error.message)
        return cleaned

    def clean_reason(self) -> str:
        """The reason as one sentence."""
        try:
            return checked_reason(self.cleaned_data["reason"])
        except InvalidRequest as error:
            raise forms.ValidationError(error.message) from None


@admin.register(EmergencyStop)
class EmergencyStopAdmin(Scoped[EmergencyStop]):
    """Emergency stops. A stop that has begun cannot be changed, only ended."""

    sees = Right.MANAGE
    changes = Right.MANAGE
    form = StopForm
    fields = ("what", "provider", "project", "reason")
    list_display = ("what", "place", "reason", "began_at", "began_by", "ended_at", "ended_by")
    list_filter = ("what", ("ended_at", admin.EmptyFieldListFilter), ("project", OwnProjects))
    list_select_related = ("provider", "project")
    search_fields = ("provider__name__istartswith", "project__slug__istartswith", "reason")
    date_hierarchy = "began_at"
    actions = ("end",)

    def project_of(self, row: EmergencyStop) -> Any:
        """The project of a stop; None for a stop of a provider or of the whole portal, which only superusers may handle."""
        return row.project

    def get_readonly_fields(self, _request: HttpRequest, row: EmergencyStop | None = None) -> tuple[str, ...]:
        return ("what", "provider", "project", "reason", "began_at", "began_by", "ended_at", "ended_by") if row else ()

    def get_fields(self, request: HttpRequest, row: EmergencyStop | None = None) -> Any:
        return self.get_readonly_fields(request, row) if row else self.fields

    def has_change_permission(self, request: HttpRequest, row: EmergencyStop | None = None) -> bool:
        """Allow actions on the list."""
        return row is None and super().has_change_permission(request)

    def formfield_for_foreignkey(self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Offer providers only to superusers. Only they may leave both fields empty."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if not access(request).everywhere:
            if db_field.name == "provider":
                field.queryset = Provider.objects.none()
            else:
                field.required = True
        return field

    def save_model(self, request: HttpRequest, obj: EmergencyStop, _form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        place, now = Place(obj.provider, obj.project), timezone.now()
        try:
            begun = begin_stop(Stopped(obj.what), place, reason=obj.reason, actor=access(request).actor, now=now)
        except Conflict as error:  # another person was faster
            self.message_user(request, error.message, messages.ERROR)
        else:
            obj.pk, obj.began_at, obj.began_by = begun.pk, begun.began_at, begun.began_by

    @admin.action(description="End the selected stops…", permissions=["change"])
    def end(self, request: HttpRequest, stops: QuerySet[EmergencyStop]) -> HttpResponse | None:
        """Ask first. After the answer, end the stops."""
        chosen, now = list(stops.active().select_related("provider", "project")), timezone.now()  # type: ignore[attr-defined]
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "End emergency stops",
                "stops": chosen,
                "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
                "checkbox": ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "admin/end_stops.html", context)
        try:
            for stop in chosen:
                require_may_stop(access(request), Place(stop.provider, stop.project), act="end_stop", now=now, target=stop)
        except NotPermitted as error:
            raise PermissionDenied(error.message) from None
        ended = sum(end_stop(stop, actor=access(request).actor, now=now) for stop in chosen)
        self.message_user(request, f"{ended} ended.", messages.SUCCESS)
        return None

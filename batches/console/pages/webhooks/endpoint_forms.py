"""The forms of webhook endpoints: a new one, changes, a new secret, a test."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils.html import format_html

from batches.console.kit.service_form import ServiceForm
from batches.models import EventType, Project, WebhookEndpoint
from batches.models.webhook import OF_ENDS, WEBHOOK_NAME_CHARS, WEBHOOK_URL_CHARS


class EndpointForm(ServiceForm):
    """The form for changes of an endpoint."""

    name = forms.CharField(max_length=WEBHOOK_NAME_CHARS, required=False, help_text="A name for people.")
    url = forms.CharField(
        label="URL",
        max_length=WEBHOOK_URL_CHARS,
        widget=forms.TextInput({"inputmode": "url", "spellcheck": "false", "autocomplete": "off"}),
        help_text="Where events are posted to, such as https://example.com/hooks/batches.",
    )
    event_types = forms.MultipleChoiceField(
        label="Events",
        choices=[(each.value, format_html("<span><code>{}</code> {}</span>", each.value, each.label)) for each in EventType],
        widget=forms.CheckboxSelectMultiple,
        initial=[each.value for each in OF_ENDS],
    )

    @classmethod
    def about(cls, endpoint: WebhookEndpoint, data: Mapping[str, object] | None) -> "EndpointForm":
        """The form with the settings of an endpoint."""
        initial = {"name": endpoint.name, "url": endpoint.url, "event_types": endpoint.event_types}
        return cls(data, initial=initial)


class NewEndpointForm(EndpointForm):
    """The form for a new endpoint. Its `token` makes sure that a form that is sent twice makes one endpoint."""

    project = forms.ModelChoiceField(Project.objects.none(), to_field_name="slug", empty_label=None)
    token = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, projects: "QuerySet[Project]", chosen: str = "") -> None:
        super().__init__(data, initial={"project": chosen, "token": uuid.uuid4()})
        _choose_among(self, projects)


class CallbacksForm(forms.Form):
    """The form for the project whose callback URLs get a secret."""

    project = forms.ModelChoiceField(Project.objects.none(), to_field_name="slug", empty_label=None)

    def __init__(self, data: Any, *, projects: "QuerySet[Project]", chosen: str = "") -> None:
        super().__init__(data, initial={"project": chosen})
        _choose_among(self, projects)


class RotateForm(forms.Form):
    """The form for a new secret. `seen` is the last change of the endpoint, so that a form that is sent twice rotates once."""

    keep = forms.BooleanField(required=False)
    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, endpoint: WebhookEndpoint) -> None:
        self._changed = endpoint.updated_at.isoformat()
        super().__init__(data, initial={"keep": True, "seen": self._changed})

    def clean(self) -> None:
        """Refuse a form about an endpoint that was changed since."""
        if self.cleaned_data.get("seen") != self._changed:
            raise forms.ValidationError("The endpoint was changed since, or this form was sent before. Ask again.")

    @property
    def overlap(self) -> timedelta | None:
        """For how long the former secret signs as well; None for the usual time. The form must be valid."""
        return None if self.cleaned_data["keep"] else timedelta(0)

    @property
    def hours(self) -> str:
        """The usual time, in hours."""
        return f"{settings.WEBHOOK_OVERLAP_HOURS:g}"


class TestForm(forms.Form):
    """The form for a test event."""

    type = forms.ChoiceField(label="Event", choices=[(word, word) for word in EventType.values])


def _choose_among(form: forms.Form, projects: "QuerySet[Project]") -> None:
    field = form.fields["project"]
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = projects

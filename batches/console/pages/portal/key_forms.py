"""The forms for making, changing and revoking an API key."""

import uuid
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet

from batches.console.kit.lists.paging import capped
from batches.console.kit.service_form import ServiceForm
from batches.filters.batch import require_in_any_zone
from batches.models import ApiKey, Project, Scope
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import InvalidRequest
from batches.services.bulk.revoke import Fate
from batches.services.people.keys import NAME_CHARS, checked_addresses

ADDRESSES_CHARS = 4000


class KeyForm(ServiceForm):
    """The form for changing a key: its name, its expiry, and the addresses from which it is accepted."""

    name = forms.CharField(max_length=NAME_CHARS, help_text="The service or person that will use the key.")
    expires_at = forms.DateTimeField(
        label="Expires",
        required=False,
        validators=[require_in_any_zone],
        widget=forms.DateTimeInput({"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
    )
    addresses = forms.CharField(
        label="Allowed addresses",
        required=False,
        max_length=ADDRESSES_CHARS,
        widget=forms.Textarea({"rows": 2, "spellcheck": "false"}),
        help_text="Addresses and networks, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32. Empty: any address.",
    )

    def clean_addresses(self) -> str:
        """The addresses in the form in which they are stored."""
        try:
            return checked_addresses(self.cleaned_data["addresses"])
        except InvalidRequest as error:
            raise forms.ValidationError(error.message) from None

    @classmethod
    def about(cls, key: ApiKey, data: Any) -> "KeyForm":
        """The form with the values of a key."""
        return cls(data, initial={"name": key.name, "expires_at": key.expires_at, "addresses": "\n".join(key.addresses.split())})

    def expiry_of(self, key: ApiKey) -> datetime | None:
        """The chosen expiry. If the field is unchanged, the key's expiry is kept exactly: the field has only whole seconds."""
        chosen: datetime | None = self.cleaned_data["expires_at"] if "expires_at" in self.changed_data else key.expires_at
        return chosen


class NewKeyForm(KeyForm):
    """The form for a new key. Its `token` makes sure that a form that is sent twice makes one key."""

    project = forms.ModelChoiceField(Project.objects.none(), to_field_name="slug", empty_label=None)
    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple, initial=Scope.values)
    token = forms.UUIDField(widget=forms.HiddenInput)
    field_order = ("project", "name", "scopes", "expires_at", "addresses", "token")

    def __init__(self, data: Any, *, projects: QuerySet[Project], chosen: str = "") -> None:
        super().__init__(data, initial={"project": chosen, "token": uuid.uuid4()})
        project = self.fields["project"]
        assert isinstance(project, forms.ModelChoiceField)
        project.queryset = projects


class RevokeForm(forms.Form):
    """The form for revoking a key: the fate of its running batches, if there are any, and the reason."""

    reason = forms.CharField(
        label="Why?",
        required=False,
        max_length=REASON_CHARS,
        widget=forms.Textarea({"rows": 2}),
        help_text="Optional. The audit log shows it.",
    )

    def __init__(self, data: Any, *, running: int) -> None:
        super().__init__(data)
        self.has_batches = running > 0
        if running:
            asked = f"{capped(running)} running {'batch' if running == 1 else 'batches'}: keep, pause or cancel them?"
            self.fields["fate"] = forms.ChoiceField(label=asked, choices=Fate.choices, widget=forms.RadioSelect)

    @property
    def fate(self) -> Fate:
        """The chosen fate. The form must be valid."""
        return Fate(self.cleaned_data["fate"]) if self.has_batches else Fate.RUN

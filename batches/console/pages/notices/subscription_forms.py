"""The forms of subscriptions: a new one, and changes."""

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils.html import format_html

from batches.console.kit.service_form import ServiceForm
from batches.models import Channel, EventType, Frequency, Project, Subscription
from batches.models.subscription import usual_types
from batches.models.webhook import WEBHOOK_URL_CHARS
from batches.services.notices.subscriptions import Wish

EVERY, CHOSEN = "every", "chosen"
MOST_BOXES = 40  # more projects are chosen from a list


class SubscriptionForm(ServiceForm):
    """The form for changes of a subscription. The URL of a chat is never shown: an empty field keeps it."""

    chat_url = forms.CharField(
        max_length=WEBHOOK_URL_CHARS, required=False, widget=forms.PasswordInput({"autocomplete": "off", "spellcheck": "false"})
    )
    event_types = forms.MultipleChoiceField(
        choices=[(each.value, format_html("<span><code>{}</code> {}</span>", each.value, each.label)) for each in EventType],
        widget=forms.CheckboxSelectMultiple,
        initial=usual_types,
    )
    scope = forms.ChoiceField(
        choices=[(EVERY, "All that you may see, also those to come"), (CHOSEN, "Only these:")],
        widget=forms.RadioSelect,
        initial=EVERY,
    )
    projects = forms.ModelMultipleChoiceField(Project.objects.none(), to_field_name="slug", required=False)
    frequency = forms.ChoiceField(choices=Frequency.choices, widget=forms.RadioSelect, initial=Frequency.AT_ONCE)

    def __init__(self, data: Any, *, projects: "QuerySet[Project]", initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        field = self.fields["projects"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = projects.order_by("slug")
        if projects.count() <= MOST_BOXES:
            field.widget = forms.CheckboxSelectMultiple()
            field.widget.choices = field.choices

    @classmethod
    def about(cls, subscription: Subscription, data: Any, *, projects: "QuerySet[Project]") -> "SubscriptionForm":
        """The form with the settings of a subscription. Projects that the person no longer sees are left out."""
        initial = {
            "event_types": subscription.event_types,
            "scope": EVERY if subscription.every_project else CHOSEN,
            "projects": list(subscription.projects.values_list("slug", flat=True)),
            "frequency": subscription.frequency,
        }
        return cls(data, projects=projects, initial=initial)

    @property
    def hint(self) -> str:
        """When digests are sent."""
        return f"A digest lists what happened since the last one: at each full hour, or at {settings.NOTICE_DAILY_HOUR}:00 UTC."

    @property
    def wish(self) -> Wish:
        """What the person wants to be told of. The form must be valid."""
        said = self.cleaned_data
        projects = None if said["scope"] == EVERY else list(said["projects"])
        return Wish(event_types=said["event_types"], frequency=said["frequency"], projects=projects)


class NewSubscriptionForm(SubscriptionForm):
    """The form for a new subscription. Its `token` makes sure that a form that is sent twice makes one subscription."""

    channel = forms.ChoiceField(choices=Channel.choices, widget=forms.RadioSelect)
    token = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, projects: "QuerySet[Project]", offered: dict[str, str]) -> None:
        super().__init__(data, projects=projects, initial={"channel": next(iter(offered)), "token": uuid.uuid4()})
        field = self.fields["channel"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(offered.items())

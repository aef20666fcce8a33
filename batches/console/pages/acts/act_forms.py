"""The forms for acts on a batch: the reason, and the values that the act needs."""

from collections.abc import Mapping

from django import forms

from batches.console.kit.guards import guard_fields
from batches.models import Batch
from batches.rules.actors import REASON_CHARS
from batches.services.control.prioritise import HIGHEST, LOWEST
from batches.services.core.route import other_providers


class ActForm(forms.Form):
    """A form with the reason of an act. Acts that need more values add their fields before it."""

    def __init__(self, batch: Batch, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data)
        self.batch = batch
        self.add_fields()
        self.fields["reason"] = forms.CharField(
            label="Why?", required=False, max_length=REASON_CHARS, widget=forms.Textarea({"rows": 2}), help_text=_KEPT
        )

    def add_fields(self) -> None:
        """The fields of the act."""

    @property
    def cannot(self) -> str:
        """The reason why the act is impossible; empty if it is possible."""
        return ""


_KEPT = "Optional. The timeline shows it."


class PriorityForm(ActForm):
    """The form for the priority of a batch."""

    def add_fields(self) -> None:
        self.fields["priority"] = forms.IntegerField(
            min_value=LOWEST,
            max_value=HIGHEST,
            initial=self.batch.priority,
            help_text=f"From {LOWEST} to {HIGHEST}; higher goes first within the project. New batches have 0.",
        )


class PrecedenceForm(ActForm):
    """The form for the precedence of a batch among those of all projects."""

    def add_fields(self) -> None:
        self.fields["precedence"] = forms.IntegerField(
            min_value=LOWEST,
            max_value=HIGHEST,
            initial=self.batch.precedence,
            help_text=f"From {LOWEST} to {HIGHEST}; higher goes before other projects. New batches have 0.",
        )


class RerouteForm(ActForm):
    """The form for another provider. It offers the providers that the project may use and that serve the endpoint."""

    def add_fields(self) -> None:
        self.others = [(provider.name, provider.name) for provider in other_providers(self.batch)]
        self.fields["provider"] = forms.ChoiceField(choices=self.others)

    @property
    def cannot(self) -> str:
        return "" if self.others else f"No other provider that this project may use serves {self.batch.endpoint}."


class GuardsForm(ActForm):
    """The form for the guards of a batch. With an empty field, the provider's guard holds."""

    def add_fields(self) -> None:
        for name, field in guard_fields().items():
            theirs = getattr(self.batch.provider, name)
            field.initial = getattr(self.batch, name)
            field.help_text = f"{field.help_text} Empty: the provider's own, {'none' if theirs is None else theirs}.".strip()
            self.fields[name] = field

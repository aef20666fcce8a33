"""The form of a new batch: the parameters of the batch, and the source of its requests."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework.serializers import ValidationError as WrongWord

from batches.console.kit.extras import EXTRAS, chosen_extras, extra_fields, extras_as_fields
from batches.console.kit.guards import chosen_guards, guard_fields
from batches.http.fields import (
    METADATA_KEY_CHARS,
    METADATA_PAIRS,
    METADATA_VALUE_CHARS,
    USUAL_WINDOW,
    AnyCompletionWindow,
    CompletionWindow,
    longest_window,
    window_rule,
)
from batches.models import REMARK_CHARS, Batch, Dialect, File, OnInvalid, Project
from batches.models.webhook import WEBHOOK_URL_CHARS
from batches.rules import identifiers
from batches.rules.errors import InvalidRequest, NoProvider
from batches.rules.execution import Execution
from batches.rules.lines.line_rules import QUALIFIED_MODEL_CHARS
from batches.services.control.prioritise import HIGHEST, LOWEST
from batches.services.core.route import granted_providers, route
from batches.services.intake.submission import Submission, submission_of
from batches.services.policy.execution import profile_of
from batches.services.policy.guards import GUARDS
from batches.services.webhooks.receivers import require_receiver
from providers.base import ANTHROPIC_ENDPOINTS, OPENAI_ENDPOINTS

DEFAULT_ENDPOINT = "/v1/chat/completions"
ENDPOINTS = sorted(OPENAI_ENDPOINTS, key=lambda endpoint: (endpoint != DEFAULT_ENDPOINT, endpoint))
PASTE_CHARS = 100_000  # the most characters of pasted lines; a file may have far more
PLAIN = (
    *("project", "endpoint", "provider", "window", "model", "on_invalid", "execution", "remark", "callback_url", "priority"),
    *(*GUARDS, *EXTRAS),
)

EXECUTIONS = (
    ("", "As the project or the provider says"),
    (Execution.DIRECT.value, "Direct: the portal sends each request"),
    (Execution.DELEGATED.value, "Delegated: the provider's batch API runs them, at its batch price"),
    (Execution.HYBRID.value, "Hybrid: delegated, and what would miss the deadline is sent directly"),
    (Execution.AUTO.value, "Auto: hybrid if it is large and has time, else direct"),
)
EXECUTION_HELP = "Delegated requests are stored at the provider until their results are here."
ON_INVALID = ((OnInvalid.FAIL.value, "Fail the whole batch"), (OnInvalid.SKIP.value, "Skip them and run the valid ones"))


class NewBatchForm(forms.Form):
    """The parameters of a batch besides its requests. The form offers the providers that the chosen project may use."""

    project = forms.ModelChoiceField(Project.objects.none(), to_field_name="slug", empty_label=None)
    endpoint = forms.ChoiceField()
    provider = forms.ChoiceField()
    window = forms.CharField(max_length=20)
    model = forms.CharField(required=False, max_length=QUALIFIED_MODEL_CHARS)
    on_invalid = forms.ChoiceField(required=False, choices=ON_INVALID)
    remark = forms.CharField(required=False, max_length=REMARK_CHARS)
    callback_url = forms.CharField(
        required=False,
        max_length=WEBHOOK_URL_CHARS,
        widget=forms.TextInput({"inputmode": "url", "spellcheck": "false", "autocomplete": "off"}),
        help_text="Optional. The end of the batch is posted to it, such as https://example.com/hooks/batches.",
    )
    priority = forms.IntegerField(
        required=False, min_value=LOWEST, max_value=HIGHEST, help_text=f"From {LOWEST} to {HIGHEST}; higher goes first."
    )

    def __init__(
        self, data: Any, files: Any = None, *, known: QueryDict, projects: QuerySet[Project], project: Project | None
    ) -> None:
        """`known` are the first values of the fields: from an address, or from another batch."""
        super().__init__(data, files, initial={"window": USUAL_WINDOW.word, "priority": 0, **_first_values(known)})
        self.fields["window"].help_text = f"For example 90m, 24h or 7d; from 15m to {longest_window()}."
        self.fields.update(guard_fields())
        self.known = known
        project_field = self.fields["project"]
        assert isinstance(project_field, forms.ModelChoiceField)
        project_field.queryset = projects
        granted = granted_providers(project) if project else []
        may_delegate = project is not None and project.may_delegate and any(map(profile_of, granted))
        if may_delegate or known.get("execution"):  # a wish that came with a copied batch is refused, and not forgotten
            self.fields["execution"] = forms.ChoiceField(required=False, choices=EXECUTIONS, help_text=EXECUTION_HELP)
        endpoint = known.get("endpoint") or DEFAULT_ENDPOINT
        if not any(endpoint in (*ENDPOINTS, *provider.endpoints) for provider in granted):
            endpoint = DEFAULT_ENDPOINT
        if endpoint in ANTHROPIC_ENDPOINTS:
            self.fields.update(extra_fields())
        further = {other for provider in granted for other in provider.further_endpoints} | {endpoint}
        others = sorted(further - set(ENDPOINTS))
        _choice(self, "endpoint").choices = [(name, name) for name in (*ENDPOINTS, *others)]
        self.initial.update(project=project and project.slug, endpoint=endpoint)
        choices = [
            (provider.name, f"{provider.name} (simulator)" if provider.simulated else provider.name) for provider in granted
        ]
        default = known.get("provider") or _default_provider(project, endpoint)
        known_one = default in {name for name, _ in choices}
        _choice(self, "provider").choices = choices if known_one or len(choices) < 2 else [("", "Choose one"), *choices]
        self.initial["provider"] = default

    @property
    def metadata(self) -> dict[str, str]:
        """The pairs of metadata whose key or value is filled in."""
        return {key: value for key, value in self.metadata_rows if key or value}

    @property
    def metadata_rows(self) -> list[tuple[str, str]]:
        """The pairs of metadata as they were typed, with at least one row to type into."""
        source = self.data if isinstance(self.data, QueryDict) else self.known
        keys, values = (source.getlist(name) for name in ("metadata_key", "metadata_value"))
        return list(zip(keys, values, strict=False)) or [("", "")]

    @property
    def further(self) -> list[forms.BoundField]:
        """The fields that few people need: priority, guards, and, for messages, headers."""
        return [self[name] for name in ("priority", *GUARDS, *EXTRAS) if name in self.fields]

    @property
    def is_guarded(self) -> bool:
        """Whether one of the further fields is filled in, or has an error."""
        return any(field.value() not in (None, "", 0, "0") or field.errors for field in self.further)

    @property
    def address(self) -> QueryDict:
        """The values that were filled in, as the query of an address."""
        query = QueryDict(mutable=True)
        for name in PLAIN:
            if value := self.data.get(name, ""):
                query[name] = value
        for key, value in self.metadata.items():
            query.appendlist("metadata_key", key)
            query.appendlist("metadata_value", value)
        return query

    @property
    def submission(self) -> Submission:
        """The batch that was asked for."""
        chosen = self.cleaned_data
        window: CompletionWindow = chosen["window"]
        return Submission(
            project=chosen["project"],
            dialect=dialect_of(chosen["endpoint"]),
            endpoint=chosen["endpoint"],
            completion_window=window.word,
            window=window.length,
            metadata=self.metadata or None,
            provider_name=chosen["provider"],
            model=chosen["model"] or None,
            on_invalid=OnInvalid(chosen["on_invalid"] or OnInvalid.FAIL),
            remark=chosen["remark"],
            priority=chosen["priority"] or 0,
            execution=chosen.get("execution", ""),
            callback_url=chosen["callback_url"],
            extras=chosen_extras(chosen),
            guards=chosen_guards(chosen),
        )

    def clean_window(self) -> CompletionWindow:
        """A time such as `90m`, `24h` or `7d`."""
        try:
            window: CompletionWindow = AnyCompletionWindow().run_validation(self.cleaned_data["window"])
        except WrongWord:
            raise forms.ValidationError(f"Give {window_rule()}.") from None
        return window

    def clean_callback_url(self) -> str:
        """A URL that events may be sent to, by the rule of the APIs; or nothing."""
        url: str = self.cleaned_data["callback_url"]
        try:
            return require_receiver(url, param="callback_url") if url else ""
        except InvalidRequest as error:
            raise forms.ValidationError(error.message) from None

    def clean(self) -> None:
        """Check metadata and headers against the limits of the API."""
        try:
            chosen_extras(self.cleaned_data)
        except InvalidRequest as error:
            self.add_error(None, error.message)
        keys = [key for key, value in self.metadata_rows if key or value]
        if len(keys) > METADATA_PAIRS:
            self.add_error(None, f"A batch may have {METADATA_PAIRS} pairs of metadata.")
        if len(set(keys)) < len(keys):
            self.add_error(None, "A metadata key is given twice.")
        for key, value in self.metadata.items():
            if not 0 < len(key) <= METADATA_KEY_CHARS or len(value) > METADATA_VALUE_CHARS or "\0" in key + value:
                limits = f"A metadata key has 1 to {METADATA_KEY_CHARS} characters, a value up to {METADATA_VALUE_CHARS}."
                self.add_error(None, limits)


class UploadForm(NewBatchForm):
    """The form with fields for a file and for pasted lines. `kept` is a stored input that is used instead of either."""

    pasted = forms.CharField(
        required=False, strip=False, max_length=PASTE_CHARS, widget=forms.Textarea({"rows": 6, "spellcheck": "false"})
    )
    file = forms.FileField(required=False, allow_empty_file=True)

    def __init__(self, data: Any, files: Any = None, *, kept: File | None, **more: Any) -> None:
        super().__init__(data, files, **more)
        self.kept = kept

    @property
    def pasted_lines(self) -> bytes:
        """The lines that were pasted; empty if there are none."""
        text: str = self.cleaned_data.get("pasted", "")
        return text.encode() if text.strip() else b""

    def clean(self) -> None:
        """Check that there is one input, and that a kept one belongs to the chosen project."""
        super().clean()
        if self.cleaned_data.get("file") and self.pasted_lines:
            self.add_error("pasted", "Choose a file or paste lines, not both.")
        if not (self.kept or "file" in self.errors or self.cleaned_data.get("file") or self.pasted_lines):
            self.add_error("file", "Choose a file with one request a line, or paste the lines.")
        project = self.cleaned_data.get("project")
        is_replaced = self.cleaned_data.get("file") or self.pasted_lines
        if self.kept and not is_replaced and project and self.kept.project_id != project.pk:
            self.add_error("file", f"{self.kept.filename} belongs to another project: choose the file again.")


def dialect_of(endpoint: str) -> Dialect:
    """The dialect of a batch from the console: OpenAI's, if it has the endpoint, else the native one."""
    return Dialect.OPENAI if endpoint in OPENAI_ENDPOINTS else Dialect.NATIVE


def as_query(batch: Batch) -> QueryDict:
    """The parameters of a batch, as first values for the form of another batch."""
    query = QueryDict(mutable=True)
    like = submission_of(batch)
    values: dict[str, object] = {
        "project": like.project.slug,
        "endpoint": like.endpoint,
        "provider": like.provider_name,
        "window": like.completion_window,
        "model": like.model,
        "execution": like.execution,
        "on_invalid": "" if like.on_invalid == OnInvalid.FAIL else like.on_invalid,
        "remark": like.remark,
        "callback_url": like.callback_url,
        "priority": like.priority,
        **like.guards,
        **extras_as_fields(like.extras),
    }
    for name, value in values.items():
        if value not in (None, ""):
            query[name] = f"{value:f}".rstrip("0").rstrip(".") if name == "max_cost" else str(value)
    for key, value in (like.metadata or {}).items():
        query.appendlist("metadata_key", key)
        query.appendlist("metadata_value", str(value))
    if batch.input_file_id:
        query["input_file"] = identifiers.render("file-", batch.input_file_id)
    return query


def _first_values(known: QueryDict) -> dict[str, str]:
    return {name: value for name in PLAIN if (value := known.get(name))}


def _choice(form: forms.Form, name: str) -> forms.ChoiceField:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    return field


def _default_provider(project: Project | None, endpoint: str) -> str | None:
    try:
        return route(project, endpoint=endpoint).name if project else None
    except NoProvider:
        return None

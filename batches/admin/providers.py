"""Providers in the admin. A credential can be set here, and never be read."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from batches.admin.scope import Inline, Scoped, access
from batches.models import ProviderGrant
from batches.rules.actors import Actor
from batches.services.core.access import Right
from batches.services.policy.delegation import about_jobs
from batches.services.upstreams.moves import Entered, problems
from batches.services.upstreams.providers import (
    CREDENTIAL_FIELDS,
    change_provider,
    check_provider,
    disable_provider,
    enable_provider,
    resume_provider,
)
from providers import registry
from providers.jobs.profiles import PROFILES
from providers.models import EXECUTIONS, CredentialUnavailable, Provider, ProviderModel, validate_credential

CARRIED = CREDENTIAL_FIELDS | {
    "adapter",
    "base_url",
    "options",
    "jobs_family",
    "secret_name",
}  # what becomes of open jobs is told
MOST_CHECKED = 10  # the most providers that are checked at once; each check may take 10 seconds

# Only the type checker needs the parameter of the class.
if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Provider]
else:
    _ModelForm = forms.ModelForm


class WriteOnly(forms.Textarea):
    """A text field whose value is never shown, not even to the person who typed it."""

    def format_value(self, value: object) -> None:  # noqa: ARG002
        return None


class ProviderForm(_ModelForm):
    """The form of a provider. Its credential can be written and never read. `actor` is the person who sends the form."""

    actor: ClassVar[Actor]
    sealed: frozenset[str] = frozenset()  # the secrets of headers whose values were given as text

    adapter = forms.ChoiceField(help_text="The kind of upstream. The simulator is built in, and its answers are made up.")
    credential = forms.CharField(
        required=False,
        strip=True,
        validators=[validate_credential],
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    )
    remove_credential = forms.BooleanField(required=False, help_text="Delete the stored credential.")

    secret_name = forms.CharField(required=False, max_length=64, help_text="The name by which options refer to the secret.")
    secret_value = forms.CharField(
        required=False, strip=True, widget=WriteOnly(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"})
    )

    class Meta:
        model = Provider
        fields = "__all__"
        help_texts: ClassVar = {
            "name": "The name that clients and operators use.",
            "base_url": "Such as https://api.example.com/v1. Empty for the simulator.",
            "credential_env": "Instead of a stored credential: the environment variable of the workers that holds it. Enter the "
            "credential, too: it is compared, and not stored.",
            "credential_file": "The same, with a file in CREDENTIALS_DIR of the workers.",
            "options": "A JSON object with settings of the adapter.",
            "enabled": "Nothing is sent to a disabled provider: it gets no new batches, and running ones wait.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = set(registry.offered()) | ({self.instance.adapter} if self.instance.adapter else set())
        self.fields["adapter"].choices = [(name, name) for name in sorted(names)]  # type: ignore[attr-defined]
        state = (
            "A credential is stored. Leave this empty to keep it."
            if self.instance.credential_encrypted
            else "No credential is stored."
        )
        for name, known in (("jobs_family", sorted(PROFILES)), ("execution", EXECUTIONS)):
            self.fields[name].widget = forms.Select(choices=[("", "---------"), *((each, each) for each in known)])
        self.fields["credential"].help_text = f"{state} Encrypted before it is stored, and never shown again."
        self.fields["secret_value"].help_text = f"{_secrets_kept(self.instance)} Encrypted like the credential; empty removes it."

    @property
    def entered(self) -> Entered:
        """The entered values, for the service."""
        name = self.cleaned_data.get("secret_name")
        return Entered(self.cleaned_data.get("credential") or "", self.sealed | ({name} if name else set()))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        named = cleaned and (cleaned.get("credential_env") or cleaned.get("credential_file"))
        if cleaned and cleaned.get("credential") and cleaned.get("remove_credential"):
            self.add_error("remove_credential", "Give another credential or have it removed, not both.")
        elif cleaned and (named or cleaned.get("remove_credential")):
            self.instance.credential_encrypted = b""
        elif cleaned and cleaned.get("credential"):
            self.instance.set_credential(cleaned["credential"])
        if cleaned and (cleaned.get("secret_name") or cleaned.get("secret_value")):
            try:
                self.instance.set_secret(cleaned["secret_name"], cleaned["secret_value"])
            except (ValidationError, CredentialUnavailable) as error:
                self.add_error("secret_name", str(error) if isinstance(error, CredentialUnavailable) else error)
        return cleaned

    def _post_clean(self) -> None:
        """Add the problems that the service would report, each to its field."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            self.sealed = self.instance.seal_headers()
        except CredentialUnavailable as error:
            self.add_error("options", str(error))
        else:
            for field, problem in problems(self.instance, entered=self.entered, actor=self.actor).items():
                self.add_error(field, problem)


def _secrets_kept(provider: Provider) -> str:
    """A sentence with the names of the stored secrets."""
    try:
        names = provider.secret_names
    except CredentialUnavailable as error:
        return str(error)
    return f"Stored: {', '.join(names)}." if names else "None is stored."


class ModelInline(Inline[ProviderModel]):
    model = ProviderModel
    fields = (
        "name",
        "max_concurrency",
        "requests_per_minute",
        "tokens_per_minute",
        "input_price",
        "cached_price",
        "output_price",
        "batch_factor",
    )


class GrantedInline(Inline[ProviderGrant]):
    model = ProviderGrant
    verbose_name_plural = "projects that it is granted to"
    fields = ("project", "is_default")
    autocomplete_fields = ("project",)


@admin.register(Provider)
class ProviderAdmin(Scoped[Provider]):
    """Providers: the configuration of upstreams."""

    project = None
    changes = Right.MANAGE
    form = ProviderForm
    list_display = ("name", "adapter", "base_url", "enabled", "is_default", "granted_to_all", "credential_kept")
    list_filter = ("adapter", "enabled", "granted_to_all")
    search_fields = ("name__istartswith", "base_url")
    readonly_fields = ("transport", "created_at", "updated_at")
    inlines = (ModelInline, GrantedInline)
    actions = ("check_connection", "resume", "enable", "disable")
    fieldsets = (
        (None, {"fields": ("name", "adapter", "base_url", "options", "transport")}),
        (
            "Credential",
            {
                "fields": ("credential", "credential_env", "credential_file", "remove_credential"),
                "description": "With another adapter, address, proxy or CA the credential has to be entered again.",
            },
        ),
        (
            "Secrets of options",
            {
                "fields": ("secret_name", "secret_value"),
                "description": 'In the options, {"secret": "NAME"} stands for a stored secret; and, where manage.py provider '
                'set put them, {"env": "VARIABLE"} and {"file": "NAME"} for one of the workers.',
            },
        ),
        ("Use", {"fields": ("enabled", "is_default", "granted_to_all", "standby")}),
        (
            "Batch API",
            {
                "fields": ("jobs_family", "max_open_jobs", "execution", "jobs_region"),
                "description": "Its own batch API stores requests and results until they are here. A project has to allow that.",
            },
        ),
        ("Limits", {"fields": ("max_concurrency", "requests_per_minute", "tokens_per_minute")}),
        (
            "Guards",
            {
                "fields": ("max_error_rate", "error_sample", "max_cost", "max_tokens"),
                "description": "Each holds for those of its batches that have none of their own.",
            },
        ),
        ("When", {"fields": ("created_at", "updated_at")}),
    )

    @admin.display(description="credential")
    def credential_kept(self, provider: Provider) -> str:
        """The place where the credential is kept, in words; never the credential itself."""
        return provider.credential_kept

    @admin.display(description="transport")
    def transport(self, provider: Provider) -> str:
        """The HTTP client for the provider, and the reason for it."""
        return provider.way or "-"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """The providers that the person may know of; all for a superuser."""
        known = access(request).providers().values("pk")
        return super().get_queryset(request) if access(request).everywhere else Provider.objects.filter(pk__in=known)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) and access(request).everywhere

    def has_view_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:  # noqa: ARG002
        looked_up = request.path == reverse("admin:autocomplete") and access(request).may_somewhere(Right.MANAGE)
        return looked_up or access(request).everywhere

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Save through the service, which encrypts the credential, replaces the old default, and leaves audit entries."""
        credential, secrets = form.entered
        changed = form.changed_data
        change_provider(obj, changed=changed, credential=credential, secrets=secrets, actor=form.actor, now=timezone.now())
        if (CARRIED & set(changed)) and (jobs := about_jobs(obj)):
            self.message_user(request, jobs)

    def get_form(self, request: HttpRequest, obj: Provider | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001
        """The form for the person who asks, since the required fields depend on the person."""
        form = super().get_form(request, obj, change, **kwargs)
        form.actor = access(request).actor  # type: ignore[attr-defined]  # `form` is a ProviderForm
        return form

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """The searched fields. Only superusers may search addresses, since others must not know them."""
        return self.search_fields if access(request).everywhere else ("name__istartswith",)

    @admin.action(description="Check the connection of the selected providers", permissions=["change"])
    def check_connection(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        """Check the connection of each provider, and show the results."""
        for provider in providers[:MOST_CHECKED]:
            found = check_provider(provider, actor=access(request).actor, now=timezone.now())
            level = messages.SUCCESS if found.ok else messages.ERROR
            self.message_user(request, f"Provider {provider.name}: {found.message}", level)

    @admin.action(description="Resume the selected providers", permissions=["change"])
    def resume(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        """End the holds of providers."""
        actor, now = access(request).actor, timezone.now()
        resumed = sum(resume_provider(provider, actor=actor, now=now) for provider in providers)
        self.message_user(request, f"{resumed} resumed. A provider is held again when its next request fails as before.")

    @admin.action(description="Enable the selected providers", permissions=["change"])
    def enable(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        """Enable providers: batches may use them again."""
        self._switch(request, providers.filter(enabled=False), enable_provider, "enabled")

    @admin.action(description="Disable the selected providers", permissions=["change"])
    def disable(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        """Disable providers: nothing is sent to them."""
        self._switch(request, providers.filter(enabled=True), disable_provider, "disabled")

    def _switch(self, request: HttpRequest, providers: QuerySet[Provider], verb: Callable[..., None], done: str) -> None:
        found = list(providers)
        for provider in found:
            verb(provider, actor=access(request).actor, now=timezone.now())
        self.message_user(request, f"{len(found)} {done}.", messages.SUCCESS)

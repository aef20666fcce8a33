"""Providers in the admin. A credential can be set here, and never be read."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from providers import registry
from providers.models import Provider, validate_credential

# The classes take a parameter for the type checker alone.
if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Provider]
    _ModelAdmin = admin.ModelAdmin[Provider]
else:
    _ModelForm = forms.ModelForm
    _ModelAdmin = admin.ModelAdmin


class ProviderForm(_ModelForm):
    """A provider, with its credential as a field that is only ever written."""

    adapter = forms.ChoiceField(help_text="The kind of upstream. The simulator is built in and makes its answers up.")
    credential = forms.CharField(
        required=False,
        strip=True,
        validators=[validate_credential],
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="Encrypted before it is stored and never shown again. Left empty, the stored one stays.",
    )

    class Meta:
        model = Provider
        fields = (
            "name",
            "adapter",
            "base_url",
            "credential",
            "credential_env",
            "options",
            "max_concurrency",
            "enabled",
            "is_default",
            "granted_to_all",
        )
        help_texts: ClassVar = {
            "name": "How clients and operators name it.",
            "base_url": "Such as https://api.example.com/v1. Empty for the simulator.",
            "credential_env": "Instead of a stored credential: the environment variable of the workers that holds it.",
            "options": "A JSON object with settings of the adapter.",
            "enabled": "A disabled provider is sent nothing: it gets no new batches, and running ones wait.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = set(registry.ADAPTERS) | ({self.instance.adapter} if self.instance.adapter else set())
        self.fields["adapter"].choices = [(name, name) for name in sorted(names)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned and cleaned.get("credential") and cleaned.get("credential_env"):
            self.add_error("credential_env", "Give a credential or the name of a variable, not both.")
        elif cleaned and cleaned.get("credential_env"):
            self.instance.credential_encrypted = b""
        return cleaned


@admin.register(Provider)
class ProviderAdmin(_ModelAdmin):
    """Where upstreams are configured."""

    form = ProviderForm
    list_display = ("name", "adapter", "base_url", "enabled", "is_default", "granted_to_all", "credential_kept")
    list_filter = ("adapter", "enabled")
    search_fields = ("name", "base_url")
    readonly_fields = ("created_at", "updated_at")

    @admin.display(description="credential")
    def credential_kept(self, provider: Provider) -> str:
        """How the credential is kept, not what it is."""
        if provider.credential_env:
            return f"${provider.credential_env}"
        return "encrypted" if provider.credential_encrypted else "none"

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: Any) -> None:
        """Save, with the credential encrypted; a new default takes the place of the old one."""
        if secret := form.cleaned_data.get("credential"):
            obj.set_credential(secret)
        super().save_model(request, obj, form, change)
        if obj.is_default and "is_default" in form.changed_data:
            obj.take_default()

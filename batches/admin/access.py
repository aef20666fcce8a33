"""Projects, and the API keys by which their services come in."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from batches.admin.read_only import Registered
from batches.errors import InvalidRequest
from batches.models import ApiKey, Project
from batches.services.keys import issue_key, require_issuable, revoke_key

# The class takes a parameter for the type checker alone.
if TYPE_CHECKING:
    _KeyForm = ModelForm[ApiKey]
else:
    _KeyForm = ModelForm


@admin.register(Project)
class ProjectAdmin(Registered[Project]):
    """Tenants. One with batches cannot be deleted."""

    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name")
    show_full_result_count = False

    def get_readonly_fields(self, _request: HttpRequest, row: Project | None = None) -> tuple[str, ...]:
        """Clients and files name a project by its slug: it stays."""
        return ("slug", "created_at") if row else ()

    def has_delete_permission(self, _request: HttpRequest, _row: Project | None = None) -> bool:
        return False


class ApiKeyForm(_KeyForm):
    """A key to be issued."""

    def clean(self) -> dict[str, Any] | None:
        """What the service would refuse is said beside its field."""
        cleaned = super().clean() or self.cleaned_data
        if "name" in cleaned and "expires_at" in cleaned:
            try:
                require_issuable(cleaned["name"], now=timezone.now(), expires_at=cleaned["expires_at"])
            except InvalidRequest as error:
                self.add_error(error.param, error.message)
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(Registered[ApiKey]):
    """Keys can be issued and revoked. The key itself is shown once; its digest never."""

    list_display = ("name", "prefix", "project", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "project")
    list_select_related = ("project",)
    search_fields = ("name", "prefix")
    show_full_result_count = False
    form = ApiKeyForm
    fields = ("project", "name", "expires_at")
    actions = ("revoke",)

    def get_readonly_fields(self, _request: HttpRequest, row: ApiKey | None = None) -> tuple[str, ...]:
        return ("project", "name", "prefix", "expires_at", "created_at", "last_used_at", "revoked_at") if row else ()

    def get_fields(self, request: HttpRequest, row: ApiKey | None = None) -> Any:
        return self.get_readonly_fields(request, row) if row else self.fields

    def has_delete_permission(self, _request: HttpRequest, _row: ApiKey | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, _form: "ModelForm[ApiKey]", change: bool) -> None:  # noqa: FBT001
        """Issue the key, and show it this one time."""
        if change:
            return
        key, plain = issue_key(obj.project.slug, name=obj.name, now=timezone.now(), expires_at=obj.expires_at)
        obj.pk, obj.prefix = key.pk, key.prefix
        self.message_user(request, f"The key is {plain} - keep it now, it cannot be shown again.", messages.WARNING)

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        now = timezone.now()
        revoked = sum(revoke_key(key, now=now) for key in keys)
        self.message_user(request, f"{revoked} revoked, {len(keys) - revoked} were revoked before.", messages.SUCCESS)

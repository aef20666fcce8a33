"""What clients prove themselves with: API keys and account tokens. Shown once, when they are issued."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from batches.admin.scope import OwnProjects, Scoped, access
from batches.errors import InvalidRequest
from batches.models import AccountToken, ApiKey
from batches.services.access import Right
from batches.services.accounts import issue_token, require_granted, revoke_token
from batches.services.keys import issue_key, require_issuable, revoke_key

# The classes take a parameter for the type checker alone.
if TYPE_CHECKING:
    _KeyForm = ModelForm[ApiKey]
    _TokenForm = ModelForm[AccountToken]
else:
    _KeyForm = _TokenForm = ModelForm


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


class AccountTokenForm(_TokenForm):
    """A token to be issued."""

    def clean(self) -> dict[str, Any] | None:
        """What the service would refuse is said beside its field."""
        cleaned = super().clean() or self.cleaned_data
        if "project" in cleaned and "provider" in cleaned:
            try:
                require_granted(cleaned["project"], provider=cleaned["provider"])
            except InvalidRequest as error:
                raise ValidationError({"provider": error.message}) from None
        return cleaned


class Issued(Scoped[Any]):
    """Rows whose secret is shown on the page that answers their issuing, and nowhere else: no message, no cookie."""

    sees = Right.MANAGE
    changes = Right.MANAGE
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), ("project", OwnProjects))
    date_hierarchy = "created_at"
    actions = ("revoke",)
    shown: tuple[str, ...] = ()  # of one that was issued

    def get_readonly_fields(self, _request: HttpRequest, row: Any | None = None) -> tuple[str, ...]:
        return self.shown if row else ()

    def get_fields(self, _request: HttpRequest, row: Any | None = None) -> Any:
        return self.shown if row else self.fields

    def has_change_permission(self, request: HttpRequest, row: Any | None = None) -> bool:
        """To act on the list; a single one stays as it was issued."""
        return row is None and super().has_change_permission(request)

    @sensitive_variables()
    def response_add(self, request: HttpRequest, obj: Any, _post_url_continue: str | None = None) -> HttpResponse:
        """The page with the secret, which is stored nowhere."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"The {self.opts.verbose_name} is issued",
            "row": obj,
            "plain": obj.plain,
        }
        return TemplateResponse(request, "admin/issued.html", context)


@admin.register(ApiKey)
class ApiKeyAdmin(Issued):
    """Keys can be issued and revoked."""

    list_display = ("name", "prefix", "project", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("project",)
    search_fields = ("name", "prefix__startswith")
    form = ApiKeyForm
    fields = ("project", "name", "expires_at")
    autocomplete_fields = ("project",)
    shown = ("project", "name", "prefix", "expires_at", "created_at", "last_used_at", "revoked_at")

    def save_model(self, request: HttpRequest, obj: ApiKey, _form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Issue the key; `plain` lives as long as this request."""
        slug, actor = obj.project.slug, access(request).actor
        key, plain = issue_key(slug, name=obj.name, actor=actor, now=timezone.now(), expires_at=obj.expires_at)
        obj.pk, obj.prefix, obj.plain = key.pk, key.prefix, plain  # type: ignore[attr-defined]

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        actor, now = access(request).actor, timezone.now()
        revoked = [revoke_key(key, actor=actor, now=now) for key in keys.select_related("project")]
        self.message_user(request, f"{sum(revoked)} revoked, {revoked.count(False)} were revoked before.", messages.SUCCESS)


@admin.register(AccountToken)
class AccountTokenAdmin(Issued):
    """What clients of the Merge dialect name a linked account by."""

    list_display = ("id", "project", "provider", "created_at", "revoked_at")
    list_select_related = ("project", "provider")
    search_fields = ("project__slug__istartswith", "provider__name__istartswith")
    form = AccountTokenForm
    fields = ("project", "provider")
    autocomplete_fields = ("project", "provider")
    shown = ("id", "project", "provider", "created_at", "revoked_at")

    def save_model(self, request: HttpRequest, obj: AccountToken, _form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Issue the token; `plain` lives as long as this request."""
        token, plain = issue_token(obj.project, provider=obj.provider, actor=access(request).actor, now=timezone.now())
        obj.pk, obj.plain = token.pk, plain  # type: ignore[attr-defined]

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[AccountToken]) -> None:
        actor, now = access(request).actor, timezone.now()
        revoked = [revoke_token(token, actor=actor, now=now) for token in tokens.select_related("project", "provider")]
        self.message_user(request, f"{sum(revoked)} revoked, {revoked.count(False)} were revoked before.", messages.SUCCESS)

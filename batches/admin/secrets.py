"""The secrets of clients: API keys and account tokens. A secret is shown once, when it is issued."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from batches.admin.scope import OwnProjects, Scoped, access
from batches.models import AccountToken, ApiKey, Batch, Scope
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import InvalidRequest
from batches.services.bulk.preview import announced
from batches.services.bulk.revoke import Fate, revoke
from batches.services.core.access import Right
from batches.services.people.accounts import issue_token, require_granted, revoke_token
from batches.services.people.keys import KeyRevoked, checked_addresses, issue_key, require_issuable

SHOWN = 20  # the most keys, or tokens, that the question before revoking names

# Only the type checker needs the parameters of the classes.
if TYPE_CHECKING:
    _KeyForm = ModelForm[ApiKey]
    _TokenForm = ModelForm[AccountToken]
else:
    _KeyForm = _TokenForm = ModelForm


class ApiKeyForm(_KeyForm):
    """The form for a new key."""

    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple, initial=Scope.values)
    addresses = forms.CharField(
        label="Allowed addresses",
        required=False,
        max_length=4000,
        widget=forms.Textarea({"rows": 2}),
        help_text="Addresses and networks, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32. Empty: any address.",
    )

    def clean_scopes(self) -> str:
        """The value in the form in which it is stored."""
        return " ".join(scope for scope in Scope.values if scope in self.cleaned_data["scopes"])

    def clean_addresses(self) -> str:
        """The value in the form in which it is stored."""
        try:
            return checked_addresses(self.cleaned_data["addresses"])
        except InvalidRequest as error:
            raise ValidationError(error.message) from None

    def clean(self) -> dict[str, Any] | None:
        """Add the problems that the service would report, each to its field."""
        cleaned = super().clean() or self.cleaned_data
        if "name" in cleaned and "expires_at" in cleaned:
            try:
                require_issuable(cleaned["name"], now=timezone.now(), expires_at=cleaned["expires_at"])
            except InvalidRequest as error:
                self.add_error(error.param, error.message)
        return cleaned


class AccountTokenForm(_TokenForm):
    """The form for a new token."""

    def clean(self) -> dict[str, Any] | None:
        """Add the problems that the service would report, each to its field."""
        cleaned = super().clean() or self.cleaned_data
        if "project" in cleaned and "provider" in cleaned:
            try:
                require_granted(cleaned["project"], provider=cleaned["provider"])
            except InvalidRequest as error:
                raise ValidationError({"provider": error.message}) from None
        return cleaned


class Issued(Scoped[Any]):
    """Rows with a secret. Only the answer to the form that issues it shows the secret; no message and no cookie holds it."""

    sees = Right.MANAGE
    changes = Right.MANAGE
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), ("project", OwnProjects))
    date_hierarchy = "created_at"
    actions = ("revoke",)
    shown: tuple[str, ...] = ()  # the fields of an issued row

    def get_readonly_fields(self, _request: HttpRequest, row: Any | None = None) -> tuple[str, ...]:
        return self.shown if row else ()

    def get_fields(self, _request: HttpRequest, row: Any | None = None) -> Any:
        return self.shown if row else self.fields

    def has_change_permission(self, request: HttpRequest, row: Any | None = None) -> bool:
        """Allow actions on the list. An issued row itself cannot be changed."""
        return row is None and super().has_change_permission(request)

    @sensitive_variables()
    def response_add(self, request: HttpRequest, obj: Any, _post_url_continue: str | None = None) -> HttpResponse:
        """The page that shows the secret, which is not stored."""
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
    """API keys. They can be issued and revoked."""

    list_display = ("name", "prefix", "project", "scopes", "created_by", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("project",)
    search_fields = ("name", "prefix__startswith")
    form = ApiKeyForm
    fields = ("project", "name", "scopes", "expires_at", "addresses")
    autocomplete_fields = ("project",)
    shown = (
        "project",
        "name",
        "prefix",
        "scopes",
        "addresses",
        "expires_at",
        "created_by",
        "created_at",
        "last_used_at",
        "refused_at",
        "refused_address",
        "revoked_at",
    )

    def save_model(self, request: HttpRequest, obj: ApiKey, _form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Issue the key. Its text, `plain`, lives only during this request."""
        key, plain = issue_key(
            obj.project.slug,
            name=obj.name,
            scopes=obj.scopes.split(),
            expires_at=obj.expires_at,
            addresses=obj.addresses,
            actor=access(request).actor,
            now=timezone.now(),
        )
        obj.pk, obj.prefix, obj.plain = key.pk, key.prefix, plain  # type: ignore[attr-defined]

    @admin.action(description="Revoke the selected keys…", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> HttpResponse | None:
        """Ask about the fate of the running batches of keys. After the answer, revoke the keys."""
        if (answer := request.POST.get("fate")) not in Fate.values:
            return self._ask(request, keys)
        reason = _reason(request)
        revoked, before = 0, 0
        for key in keys.select_related("project"):
            try:
                operation = revoke(key, fate=Fate(answer), by=access(request), now=timezone.now(), reason=reason)
                revoked += 1
            except KeyRevoked:
                before += 1
                continue
            if operation is not None:
                self.message_user(request, f"Key {key}: {announced(operation)}", messages.SUCCESS)
        self.message_user(request, f"{revoked} revoked, {before} were revoked before.", messages.SUCCESS)
        return None

    def _ask(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> HttpResponse:
        own = Batch.objects.filter(created_by_key=OuterRef("pk"), ended_at=None).order_by()
        running = own.values("created_by_key").annotate(count=Count("pk")).values("count")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Revoke keys",
            **_chosen(request, keys),
            "keys": keys.select_related("project").annotate(running=Coalesce(Subquery(running), 0))[:SHOWN],
            "fates": Fate.choices,
        }
        return TemplateResponse(request, "admin/revoke_keys.html", context)


@admin.register(AccountToken)
class AccountTokenAdmin(Issued):
    """Account tokens, by which clients of the Merge dialect name a linked account."""

    list_display = ("id", "project", "provider", "created_at", "revoked_at")
    list_select_related = ("project", "provider")
    search_fields = ("project__slug__istartswith", "provider__name__istartswith")
    form = AccountTokenForm
    fields = ("project", "provider")
    autocomplete_fields = ("project", "provider")
    shown = ("id", "project", "provider", "created_at", "revoked_at")

    def save_model(self, request: HttpRequest, obj: AccountToken, _form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Issue the token. Its text, `plain`, lives only during this request."""
        token, plain = issue_token(obj.project, provider=obj.provider, actor=access(request).actor, now=timezone.now())
        obj.pk, obj.plain = token.pk, plain  # type: ignore[attr-defined]

    @admin.action(description="Revoke the selected tokens…", permissions=["change"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[AccountToken]) -> HttpResponse | None:
        """Ask first. After the answer, revoke the tokens."""
        tokens = tokens.select_related("project", "provider")
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "Revoke tokens",
                **_chosen(request, tokens),
                "tokens": tokens[:SHOWN],
            }
            return TemplateResponse(request, "admin/revoke_tokens.html", context)
        actor, now, reason = access(request).actor, timezone.now(), _reason(request)
        revoked = [revoke_token(token, actor=actor, now=now, reason=reason) for token in tokens]
        self.message_user(request, f"{sum(revoked)} revoked, {revoked.count(False)} were revoked before.", messages.SUCCESS)
        return None


def _chosen(request: HttpRequest, rows: QuerySet[Any]) -> dict[str, object]:
    """What the question before revoking needs to be answered for the same rows."""
    return {
        "count": rows.count(),
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across") == "1",
        "checkbox": ACTION_CHECKBOX_NAME,
        "reason_chars": REASON_CHARS,
    }


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:REASON_CHARS].replace("\0", "")

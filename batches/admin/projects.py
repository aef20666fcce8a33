"""Projects with their quotas, their members, the providers that they may use, and the receivers of their events."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Field, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from batches.admin.scope import Inline, OwnProjects, ReadOnly, Scoped, access
from batches.models import (
    Erasure,
    Leftover,
    LegalHold,
    Membership,
    Project,
    ProviderGrant,
    RetentionPolicy,
    WebhookDelivery,
    WebhookEndpoint,
)
from batches.services.core.access import Right
from batches.services.policy.delegation import PROJECT_SETTINGS, places_for, set_delegation

# Only the type checker needs the parameters of the classes.
if TYPE_CHECKING:
    _BaseAdmin = admin.options.BaseModelAdmin[Membership]
    _Choice = forms.ModelChoiceField[User]
else:
    _BaseAdmin, _Choice = object, forms.ModelChoiceField


class Named(_Choice):
    """A field for a person's full user name. A list to choose from would reveal who uses the portal."""

    widget = forms.TextInput

    def __init__(self, **kwargs: Any) -> None:
        errors = {"invalid_choice": "No account has this name."}
        people = User.objects.filter(is_active=True)
        super().__init__(people, to_field_name="username", error_messages=errors, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """The user name of the person that a row refers to."""
        return User.objects.filter(pk=value).values_list("username", flat=True).first() if isinstance(value, int) else value


class NamesMembers(_BaseAdmin):
    """Forms that choose a person. A superuser looks people up; an admin of a project must know the user name."""

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user" and not access(request).everywhere:
            return Named(help_text="The name that the person signs in with.")
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class MembershipInline(NamesMembers, Inline[Membership]):
    model = Membership
    verbose_name_plural = "members"
    fields = ("user", "role")
    autocomplete_fields = ("user",)


class GrantInline(Inline[ProviderGrant]):
    """The providers that a project may use besides those granted to all. Only a superuser changes them."""

    model = ProviderGrant
    verbose_name_plural = "granted providers"
    fields = ("provider", "is_default")
    autocomplete_fields = ("provider",)

    def may_change(self, request: HttpRequest, _row: Any | None = None) -> bool:
        return access(request).everywhere


@admin.register(Project)
class ProjectAdmin(Scoped[Project]):
    """Projects, the portal's tenants. A project with batches cannot be deleted."""

    project = "pk"
    changes = Right.MANAGE
    list_display = ("slug", "name", "max_open_batches", "max_pending_objects", "max_stored_bytes", "created_at")
    search_fields = ("slug__istartswith", "name")
    fieldsets = (
        (None, {"fields": ("slug", "name", "created_at")}),
        (
            "Batch APIs of providers",
            {"fields": ("may_delegate", "execution", "where"), "description": "Whether and where requests may be stored."},
        ),
        ("Quotas", {"fields": ("max_open_batches", "max_pending_objects", "max_stored_bytes")}),
    )
    inlines = (MembershipInline, GrantInline)

    def get_readonly_fields(self, request: HttpRequest, row: Project | None = None) -> tuple[str, ...]:
        """The slug never changes, since clients and files name a project by it. Only a superuser sets quotas."""
        quotas = () if access(request).everywhere else ("max_open_batches", "max_pending_objects", "max_stored_bytes")
        return (*(("slug",) if row else ()), "created_at", "where", *quotas)

    @admin.display(description="where they are kept")
    def where(self, project: Project) -> SafeString:
        """The providers with a batch API that the project may use, with their region and retention."""
        found = [] if project._state.adding else places_for(project)
        lines = format_html_join(mark_safe("<br>"), "{}: {}.", ((place.provider.name, place.sentence) for place in found))
        return lines or mark_safe("No provider that the project may use has a batch API.")

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:  # noqa: FBT001
        """Save through the services: delegation has an act of its own, which tells of open jobs."""
        asked = {name: getattr(obj, name) for name in PROJECT_SETTINGS if change and name in form.changed_data}
        for name in asked:
            setattr(obj, name, form.initial[name])
        if not asked or set(form.changed_data) - set(asked):
            super().save_model(request, obj, form, change)
        if asked:
            _, jobs = set_delegation(obj, settings=asked, actor=access(request).actor, now=timezone.now())
            if jobs.sentence:
                self.message_user(request, jobs.sentence)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access(request).everywhere


@admin.register(Membership)
class MembershipAdmin(NamesMembers, Scoped[Membership]):
    """Memberships: the roles of people in projects."""

    sees = Right.MANAGE
    changes = Right.MANAGE
    list_display = ("user", "project", "role", "by_claims", "created_at")
    list_filter = ("role", "by_claims", ("project", OwnProjects))
    list_select_related = ("user", "project")
    search_fields = ("user__username__istartswith", "project__slug__istartswith")
    autocomplete_fields = ("user", "project")
    fields = ("user", "project", "role")

    def get_readonly_fields(self, _request: HttpRequest, row: Membership | None = None) -> tuple[str, ...]:
        return ("user", "project") if row else ()

    def has_delete_permission(self, request: HttpRequest, row: Membership | None = None) -> bool:
        return self.has_change_permission(request, row)

    def get_actions(self, _request: HttpRequest) -> dict[str, Any]:
        """No action for many rows: Django's action would delete them without calling the service."""
        return {}


@admin.register(ProviderGrant)
class ProviderGrantAdmin(ReadOnly[ProviderGrant]):
    """Grants of providers to projects. They are changed on the pages of projects and providers."""

    list_display = ("project", "provider", "is_default")
    list_filter = (("project", OwnProjects), "is_default")
    list_select_related = ("project", "provider")
    search_fields: ClassVar = ("project__slug__istartswith", "provider__name__istartswith")
    show_facets = admin.ShowFacets.ALLOW


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnly[WebhookEndpoint]):
    """Webhook endpoints without their secrets. Admins of projects change them in the console."""

    list_display = ("__str__", "name", "url", "project", "enabled", "failing_since", "disabled_at", "created_at")
    list_filter = ("enabled", ("project", OwnProjects), ("failing_since", admin.EmptyFieldListFilter))
    list_select_related = ("project",)
    search_fields = ("name__istartswith", "url__istartswith")
    search_help_text = "The id of an endpoint in any of its forms, or the beginning of its name or URL."
    date_hierarchy = "created_at"


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly[WebhookDelivery]):
    """Deliveries of webhooks without bodies. The console shows the request and the answer."""

    sees = Right.READ_BODIES  # failures may quote answers
    list_display = (
        *("type", "status", "endpoint", "batch_id", "project", "attempts", "http_status", "failure", "took_ms"),
        *("due_at", "sent_at", "created_at", "console"),
    )
    list_filter = ("status", "type", ("project", OwnProjects), ("created_at", admin.DateFieldListFilter))
    list_select_related = ("endpoint", "project")
    found_by = "batch"
    search_fields = ("batch",)
    search_help_text = "The id of a batch, in any of its forms."
    exclude = ("body", "answer")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        return super().get_queryset(request).defer("body", "answer")

    @admin.display(description="Console")
    def console(self, delivery: WebhookDelivery) -> SafeString:
        """A link to the delivery's page in the console."""
        return format_html('<a href="{}">Open</a>', reverse("console:webhook_delivery", args=[delivery.pk]))


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(ReadOnly[RetentionPolicy]):
    """How long projects keep what. It is set in the console and by `manage.py retention`."""

    sees = Right.MANAGE
    list_display = ("project", "kind", "days", "set_by", "set_at")
    list_filter = ("kind", ("project", OwnProjects))
    list_select_related = ("project",)
    search_fields: ClassVar = ("project__slug__istartswith",)


@admin.register(LegalHold)
class LegalHoldAdmin(ReadOnly[LegalHold]):
    """Legal holds, released ones too. They are placed and released in the console and by `manage.py retention`."""

    sees = Right.MANAGE
    list_display = ("place", "reason", "placed_by", "placed_at", "released_by", "released_at")
    list_filter = (("released_at", admin.EmptyFieldListFilter), ("project", OwnProjects))
    list_select_related = ("project",)
    search_fields: ClassVar = ("project__slug__istartswith", "reason")


@admin.register(Erasure)
class ErasureAdmin(ReadOnly[Erasure]):
    """Receipts of erasures."""

    sees = Right.MANAGE
    list_display = ("__str__", "project", "kind", "reason", "asked_by", "asked_at", "ended_at")
    list_filter = ("kind", ("ended_at", admin.EmptyFieldListFilter), ("project", OwnProjects))
    list_select_related = ("project",)
    search_fields: ClassVar = ("project__slug__istartswith",)


@admin.register(Leftover)
class LeftoverAdmin(ReadOnly[Leftover]):
    """Batches of which rows are still being deleted, and how far that is."""

    list_display = ("__str__", "project", "table", "after_line", "created_at")
    list_filter = ("part", ("project", OwnProjects))
    list_select_related = ("project",)
    search_fields: ClassVar = ("project__slug__istartswith",)

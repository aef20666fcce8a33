"""Who signs in: users, the projects they belong to, and the views they saved."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.admin.scope import CappedPaginator, Inline, ReadOnly, TellsNothing, access, save_rows
from batches.models import Membership, SavedView, SignInAttempts
from batches.services.audit import record_act
from batches.services.configure import configure

# The class takes a parameter for the type checker alone.
if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)  # roles say who may do what


class ProjectInline(Inline[Membership]):
    model = Membership
    verbose_name_plural = "projects"
    fields = ("project", "role")
    autocomplete_fields = ("project",)


@admin.register(User)
class PersonAdmin(TellsNothing[User], _UserAdmin):
    """A superuser keeps them. Who administers a project makes somebody a member by their name, and cannot look it up."""

    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username__istartswith", "email__istartswith")
    date_hierarchy = "date_joined"
    show_full_result_count = False
    paginator = CappedPaginator
    filter_horizontal = ()
    readonly_fields = ("sign_in", "last_login", "date_joined")
    inlines = (ProjectInline,)
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email", "sign_in")}),
        (
            "May",
            {
                "fields": ("is_active", "is_staff", "is_superuser"),
                "description": "What somebody may do in a project is their role there. Staff may enter this admin; "
                "a superuser is an admin of every project and of the portal.",
            },
        ),
        ("When", {"fields": ("last_login", "date_joined")}),
    )

    @admin.display(description="Password")
    def sign_in(self, person: User) -> SafeString:
        """Whether there is one; never what it is, nor its digest."""
        state = "set" if person.has_usable_password() else "not set"
        change = reverse("admin:auth_user_password_change", args=[person.pk])
        return format_html('{} · <a href="{}">Set another one</a>', state, change)

    def get_inlines(self, _request: HttpRequest, person: User | None) -> Any:
        return self.inlines if person else ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and access(request).everywhere

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:  # noqa: ARG002
        return access(request).everywhere

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access(request).everywhere

    def has_change_permission(self, request: HttpRequest, _person: User | None = None) -> bool:
        return access(request).everywhere

    def has_delete_permission(self, _request: HttpRequest, _person: User | None = None) -> bool:
        """Somebody who leaves is deactivated: the records name them."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        changed = [name for name in form.changed_data if not name.startswith(("password", "usable_password"))]
        configure(obj, changed=changed, actor=access(request).actor, now=timezone.now())

    def save_formset(self, request: HttpRequest, _form: Any, formset: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        save_rows(request, formset)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Django's own page; that a password was set goes on record."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            record_act("set_password", actor=access(request).actor, now=timezone.now(), target=self.get_object(request, id))
        return answer


@admin.register(SavedView)
class SavedViewAdmin(ReadOnly[SavedView]):
    """Kept in the console, by their owners."""

    project = None
    list_display = ("name", "slug", "owner", "is_shared", "is_default", "updated_at")
    list_filter = ("is_shared",)
    list_select_related = ("owner",)
    search_fields = ("name__istartswith", "slug__startswith", "owner__username__istartswith")
    date_hierarchy = "created_at"
    show_facets = admin.ShowFacets.ALLOW


@admin.register(SignInAttempts)
class SignInAttemptsAdmin(ReadOnly[SignInAttempts]):
    """Whose they are is not told: only a digest of it is kept."""

    project = None
    list_display = ("subject", "count", "since")
    ordering = ("-since",)

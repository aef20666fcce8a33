"""People: users, their memberships of projects, their saved views, and what they are told of."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.admin.scope import CappedPaginator, Inline, ReadOnly, TellsNothing, access, save_rows
from batches.models import ClaimedFlags, Membership, Notice, SavedView, Subscription
from batches.services.people.people import change_person, record_set_password
from batches.services.people.second_factor import reset_second_factor

# Only the type checker needs the parameter of the class.
if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)  # roles of projects replace Django's groups
for _model in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(_model)  # allauth's own admin pages, which ignore roles


class ProjectInline(Inline[Membership]):
    model = Membership
    verbose_name_plural = "projects"
    fields = ("project", "role")
    autocomplete_fields = ("project",)

    def get_extra(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> int:  # noqa: ARG002
        """One empty row for a person without a project: a new colleague is given a role next."""
        return int(obj is None or not Membership.objects.filter(user=obj).exists())


@admin.register(User)
class PersonAdmin(TellsNothing[User], _UserAdmin):
    """Users, maintained by superusers. An admin of a project adds members by their exact names, and cannot look names up."""

    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username__istartswith", "email__istartswith")
    date_hierarchy = "date_joined"
    show_full_result_count = False
    paginator = CappedPaginator
    filter_horizontal = ()
    readonly_fields = ("sign_in", "second_factor", "oidc", "records", "last_login", "date_joined")
    actions = ("reset_second_factor",)
    inlines = (ProjectInline,)
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email", "sign_in", "second_factor", "oidc", "records")}),
        (
            "May",
            {
                "fields": ("is_active", "is_staff", "is_superuser"),
                "description": "The role in a project gives the rights there. Staff may enter this admin; "
                "a superuser is an admin of every project and of the portal.",
            },
        ),
        ("When", {"fields": ("last_login", "date_joined")}),
    )

    @admin.display(description="Password")
    def sign_in(self, person: User) -> SafeString:
        """Whether the person has a password. Neither it nor its digest is shown."""
        state = "set" if person.has_usable_password() else "not set"
        change = reverse("admin:auth_user_password_change", args=[person.pk])
        return format_html('{} · <a href="{}">Set another one</a>', state, change)

    @admin.display(description="Second factor")
    def second_factor(self, person: User) -> str:
        """The time since when the person has a second factor. Its secret is not shown."""
        authenticator = Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).first()
        return f"since {authenticator.created_at:%Y-%m-%d}" if authenticator else "none"

    @admin.display(description="OIDC")
    def oidc(self, person: User) -> str:
        """Whether the person signs in through the OIDC provider."""
        account = SocialAccount.objects.filter(user=person).first()
        return f"linked since {account.date_joined:%Y-%m-%d}" if account else "not linked"

    @admin.display(description="Audit log")
    def records(self, person: User) -> SafeString:
        """Links to what the person did, and to what was done to their account."""
        log, name = reverse("console:audit_log"), f"user {person.get_username()}"
        return format_html(
            '<a href="{}?{}">Acts of this person</a> · <a href="{}?{}">acts on this account</a>',
            log,
            urlencode({"who": name}),
            log,
            urlencode({"target": str(person.pk)}),
        )

    @admin.action(description="Take the second factor away", permissions=["change"])
    def reset_second_factor(self, request: HttpRequest, people: QuerySet[User]) -> None:
        actor, now = access(request).actor, timezone.now()
        reset = [reset_second_factor(person, actor=actor, now=now) for person in people]
        words = f"Second factors taken away: {sum(reset)}. People who had none: {reset.count(False)}."
        self.message_user(request, words, messages.SUCCESS)

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
        """Never: people who leave are deactivated, since audit entries name them."""
        return False

    def save_model(self, request: HttpRequest, obj: User, _form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        change_person(obj, actor=access(request).actor, now=timezone.now())

    def save_formset(self, request: HttpRequest, _form: Any, formset: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        save_rows(request, formset)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Django's own page for a password, with an audit entry."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            person, key = self.get_object(request, id), request.session.session_key or ""
            assert person is not None
            record_set_password(person, actor=access(request).actor, session_key=key, now=timezone.now())
        return answer


@admin.register(SavedView)
class SavedViewAdmin(ReadOnly[SavedView]):
    """Saved views. Their owners change them in the console."""

    project = None
    list_display = ("name", "slug", "owner", "is_shared", "is_default", "updated_at")
    list_filter = ("is_shared",)
    list_select_related = ("owner",)
    search_fields = ("name__istartswith", "slug__startswith", "owner__username__istartswith")
    date_hierarchy = "created_at"
    show_facets = admin.ShowFacets.ALLOW


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly[Subscription]):
    """Subscriptions to notices, without the URLs of chats. Their owners change them in the console."""

    project = None
    list_display = ("__str__", "owner", "frequency", "enabled", "failing_since", "failure", "told_at", "created_at")
    list_filter = ("enabled", "channel", "frequency", ("failing_since", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    search_fields = ("owner__username__istartswith", "chat_host__istartswith")
    date_hierarchy = "created_at"


@admin.register(Notice)
class NoticeAdmin(ReadOnly[Notice]):
    """Notices: one event for one subscription."""

    project = None
    list_display = ("type", "reason", "subscription", "batch_id", "due_at", "told_at", "created_at")
    list_filter = ("type",)
    list_select_related = ("subscription",)
    found_by = "batch"
    search_fields = ("batch",)
    search_help_text = "The id of a batch, in any of its forms."


@admin.register(ClaimedFlags)
class ClaimedFlagsAdmin(ReadOnly[ClaimedFlags]):
    """The flags that claims gave to people. Each sign-in updates them."""

    project = None
    list_display = ("user", "is_staff", "is_superuser")
    list_select_related = ("user",)
    search_fields = ("user__username__istartswith",)

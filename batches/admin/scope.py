"""Rules for every page of the admin: the rows that a person sees, the rows that they may change, and the cost of a page."""

from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import DateTimeField, ForeignKey, Model, QuerySet
from django.forms import BaseInlineFormSet, BaseModelFormSet, CheckboxInput, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import capfirst

from batches.admin.choice import LooksUpRows
from batches.models import Project
from batches.rules import identifiers
from batches.rules.states import Source
from batches.services.core.access import Access, Right, access_of
from batches.services.core.audit import record_refusal
from batches.services.core.configure import configure, remove
from providers.models import Provider

M = TypeVar("M", bound=Model)
COUNT_CAP = 10_000

# Only the type checker needs the parameters of the classes.
if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator[QuerySet[Model]]
    _RelatedFilter = admin.RelatedFieldListFilter
    _Inline = admin.TabularInline
    _InlineFormSet = BaseInlineFormSet[Any, Any, Any]
else:
    _Paginator = Paginator
    _InlineFormSet = BaseInlineFormSet
    _RelatedFilter = admin.RelatedFieldListFilter

    class _ModelAdmin(admin.ModelAdmin):
        """`_ModelAdmin[Batch]` is the plain class."""

        def __class_getitem__(cls, _model: object) -> type:
            return cls

    class _Inline(admin.TabularInline):
        """`_Inline[Membership, Project]` is the plain class."""

        def __class_getitem__(cls, _models: object) -> type:
            return cls


def access(request: HttpRequest) -> Access:
    """The access of a request's sender, looked up once a request."""
    known: Access | None = getattr(request, "access", None)
    if known is None:
        assert isinstance(request.user, User)
        known = access_of(request.user, source=Source.ADMIN)
        request.access = known  # type: ignore[attr-defined]
    return known


def save_rows(request: HttpRequest, formset: "BaseModelFormSet[Any, Any]") -> None:
    """Save and remove the rows of a formset, each through its service."""
    actor, now = access(request).actor, timezone.now()
    formset.save(commit=False)
    for row in formset.deleted_objects:
        remove(row, actor=actor, now=now, project=getattr(row, "project", None))
    for row in (*(row for row, _ in formset.changed_objects), *formset.new_objects):
        configure(row, actor=actor, now=now, project=getattr(row, "project", None))


class CappedPaginator(_Paginator):
    """A paginator that never counts a whole table. A list ends after COUNT_CAP rows; filters find the others."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return rows.order_by()[:COUNT_CAP].count()


class OwnProjects(_RelatedFilter):
    """A filter by project that offers only the projects of its reader."""

    def field_choices(self, _field: Any, request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(project.pk), project.slug) for project in access(request).projects()]


class TellsNothing(LooksUpRows, _ModelAdmin[M]):
    """Pages that refuse a person without the right even if there is no such row. Else the answer would reveal rows."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Check the right first: Django's own page looks for the row first."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)


class Scoped(TellsNothing[M]):
    """Rows of a person's projects. A person with the right may change them.

    `project` is the lookup from a row to its project: `pk` for projects themselves, None for rows of the portal as a whole,
    which only superusers see. If the text of a search is an id, in any of its forms, it is compared with the columns
    `found_by`; other texts are searched in `search_fields`.
    """

    project: ClassVar[str | None] = "project"
    sees: ClassVar[Right] = Right.READ
    changes: ClassVar[Right | None] = None
    found_by = "pk"

    show_full_result_count = False
    show_facets = admin.ShowFacets.ALLOW
    paginator = CappedPaginator
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list. If the address or a ticked row names a value that no column can hold, the request is refused."""
        title = capfirst(self.opts.verbose_name_plural)
        try:
            return super().changelist_view(request, {"title": title, **(extra_context or {})})
        except (ValidationError, OverflowError) as error:
            raise BadRequest("The address or the form has an impossible value.") from error

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows = super().get_queryset(request)
        return access(request).within(rows, right=self.sees, project=self.project) if self.project else rows

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[M], search_term: str) -> tuple[QuerySet[M], bool]:
        """The rows with this id, or with these words."""
        if identifier := identifiers.parse(search_term.strip().lower()):
            return queryset.filter(**{self.found_by: identifier}), False
        if search_term and (tuple(self.search_fields) == (self.found_by,) or "\0" in search_term):
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def formfield_for_foreignkey(self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only projects that the person may change, and providers that they may know of."""
        if db_field.related_model is Project and self.changes:
            kwargs["queryset"] = access(request).projects(self.changes)
        elif db_field.related_model is Provider:
            kwargs["queryset"] = access(request).providers()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Say beside a field for a moment in which zone it is read, and call its two inputs by name."""
        if not isinstance(db_field, DateTimeField):
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        kwargs["help_text"] = " ".join(filter(None, (str(db_field.help_text), f"In {timezone.localtime():%Z}.")))
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for part, widget in zip(("date", "time"), getattr(field and field.widget, "widgets", ()), strict=False):
            widget.attrs["aria-label"] = f"{capfirst(db_field.verbose_name)}: {part}"
        return field

    def project_of(self, row: M) -> Project | None:
        """The project of a row; None for a row of the portal as a whole."""
        if self.project is None:
            return None
        found = row if self.project == "pk" else reduce(getattr, self.project.split("__"), row)
        assert isinstance(found, Project)
        return found

    def has_module_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:  # noqa: ARG002
        """Whether the person may see any such row. `get_queryset` decides which rows."""
        return access(request).may_somewhere(self.sees) if self.project else access(request).everywhere

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    def has_change_permission(self, request: HttpRequest, row: M | None = None) -> bool:
        if self.changes is None:
            return False
        if self.project is None:
            return access(request).everywhere
        return access(request).may(self.changes, self.project_of(row)) if row else access(request).may_somewhere(self.changes)

    def has_delete_permission(self, _request: HttpRequest, _row: M | None = None) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The form of a row. If a person without the right sends it, it is refused with an audit entry.

        This happens before the transaction of the form begins, since the audit entry must not be rolled back.
        """
        if request.method == "POST":
            row = self.get_object(request, unquote(object_id)) if object_id else None
            may = self.has_change_permission(request, row) if object_id else self.has_add_permission(request)
            if not may:
                act = f"{'change' if object_id else 'add'}_{self.opts.model_name}"
                project = self.project_of(row) if row else None
                record_refusal(act, actor=access(request).actor, now=timezone.now(), target=row, project=project)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: M, _form: "ModelForm[M]", change: bool) -> None:  # noqa: ARG002, FBT001
        """Save through the service, which leaves an audit entry."""
        actor, project = access(request).actor, self.project_of(obj) if self.project != "pk" else None
        configure(obj, actor=actor, now=timezone.now(), project=project)

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        remove(obj, actor=access(request).actor, now=timezone.now(), project=self.project_of(obj))

    def save_formset(self, request: HttpRequest, _form: Any, formset: "BaseModelFormSet[Any, Any]", change: bool) -> None:  # noqa: ARG002, FBT001
        save_rows(request, formset)


class ReadOnly(Scoped[M]):
    """Rows that the engine writes. They can be read and never be changed by hand."""

    show_facets = admin.ShowFacets.NEVER


class Inside(ReadOnly[M]):
    """Rows inside one batch, in tables of any size. They are found by the batch's id; only superusers may leave it out."""

    project: ClassVar[str | None] = "batch__project"
    found_by = "batch"
    search_fields = ("batch",)
    search_help_text = "The id of a batch, in any of its forms."
    ordering = ("-pk",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[M], search_term: str) -> tuple[QuerySet[M], bool]:
        """The rows of the batch with this id."""
        if not search_term and not access(request).everywhere:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)


class LabelledRows(_InlineFormSet):
    """Rows in a table, whose columns have the words. Each field is called by them, too, for people who hear the page."""

    @classmethod
    def get_deletion_widget(cls) -> CheckboxInput:  # type: ignore[override]  # the stubs promise a class, Django a widget, too
        return CheckboxInput(attrs={"aria-label": "Delete"})


class Inline(LooksUpRows, _Inline[M, Any]):
    """Rows on the page of another row. Admins of its project may change them; if it has no project, only superusers may."""

    formset = LabelledRows
    extra = 0
    show_change_link = False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs.setdefault("aria-label", str(capfirst(db_field.verbose_name)))
        return field

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        """All rows; the form takes those of its own row, on which the person has the right (`may_change`).

        Django's method asks for the right without naming a row, so that admins of projects would see no rows.
        """
        rows: QuerySet[M] = self.model._default_manager.order_by(*self.get_ordering(request))
        return rows

    def may_change(self, request: HttpRequest, row: Any | None) -> bool:
        """Whether the person administers the row of the page."""
        return access(request).may(Right.MANAGE, row if isinstance(row, Project) else None)

    def has_view_permission(self, request: HttpRequest, row: Any | None = None) -> bool:
        return self.may_change(request, row)

    def has_add_permission(self, request: HttpRequest, row: Any | None = None) -> bool:
        return self.may_change(request, row)

    def has_change_permission(self, request: HttpRequest, row: Any | None = None) -> bool:
        return self.may_change(request, row)

    def has_delete_permission(self, request: HttpRequest, row: Any | None = None) -> bool:
        return self.may_change(request, row)

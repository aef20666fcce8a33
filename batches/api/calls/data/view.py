"""DataView: the base of the calls about the data of projects. People need the role admin for each of them, as in the console."""

from typing import TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter

from batches.api.view import NativeView
from batches.models import Project
from batches.rules import identifiers
from batches.rules.errors import NotFound
from batches.services.core.access import Right

M = TypeVar("M", bound=Model)

PROJECT = OpenApiParameter("project", {"type": "string", "maxLength": 64}, description="Only needed without an API key.")
ONE_PROJECT = OpenApiParameter("project", {"type": "string", "maxLength": 64}, description="Only those of this project.")


class DataView(NativeView):
    """A view of the data that projects keep."""

    tag = "Kept data"

    def project_called(self, slug: str | None) -> Project:
        """The project that the call is about, in which the caller has the right. Raises InvalidRequest and NotPermitted."""
        project = self.caller.readable_project(slug)
        self.caller.require(self.right, project, act=self.act)
        return project

    def rows_of(self, rows: "QuerySet[M]") -> "QuerySet[M]":
        """The rows of a list: of the project that the query names, else of every project in which the caller has the right."""
        slug = self.request.query_params.get("project")
        if slug is not None:
            return rows.filter(project=self.project_called(slug))
        return self.caller.within(rows, right=self.right)

    def find(self, rows: "QuerySet[M]", text: str, *, kind: str, param: str) -> M:
        """The row that the path names. Raises NotFound and NotPermitted."""
        key = identifiers.parse(text)
        found = self.caller.within(rows, right=Right.READ).filter(pk=key).first() if key else None
        if found is None:
            raise NotFound(f"There is no {kind} with the id {text[:100]!r}.", param=param)
        project: Project = found.project  # type: ignore[attr-defined]  # every table of these calls has the column
        self.caller.require(self.right, project, act=self.act, target=found)
        return found

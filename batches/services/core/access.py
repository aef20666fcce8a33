"""access: the rights of a person who is signed in. The console, the native API and the admin all ask here."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Exists, Model, OuterRef, QuerySet

from batches.models import Batch, BulkOperation, Membership, Project, Role
from batches.models.batch import BatchQuerySet
from batches.rules.actors import Actor
from batches.rules.errors import NotFound, NotPermitted
from batches.rules.states import Source
from batches.services.core.audit import record_act, record_refusal
from batches.services.core.route import granted
from providers.models import Provider

# Whether a reader may read the bodies of a project.
Readable = Callable[[uuid.UUID], bool]


def everything(_project: uuid.UUID) -> bool:
    """The Readable of a reader who may read all bodies, such as the owner of a project's key."""
    return True


M = TypeVar("M", bound=Model)


class Right(StrEnum):
    """A right in a project, which a page or a call requires of its caller."""

    READ = "read"  # batches, objects, errors, counts, events
    READ_BODIES = "read_bodies"  # requests, answers, the content of files
    ACT = "act"  # start, cancel, pause, retry
    MANAGE = "manage"  # keys, members, quotas


_RANKS = {Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}
_LEAST_ROLES = {Right.READ: Role.VIEWER, Right.ACT: Role.OPERATOR, Right.MANAGE: Role.ADMIN}


def least_role(right: Right) -> Role:
    """The lowest role that has this right. The setting BODIES_ROLE is the lowest role that may read bodies."""
    return Role(settings.BODIES_ROLE) if right is Right.READ_BODIES else _LEAST_ROLES[right]


class RoleMissing(NotPermitted):
    """You may not do this: it needs a higher role."""

    def __init__(self, right: Right, *, where: str, project: Project | None = None, is_of_portal: bool = False) -> None:
        super().__init__(f"You may not do this: it needs the role {least_role(right)} {where}.")
        self.right, self.project, self.is_of_portal = right, project, is_of_portal


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one person. `roles` is their role in each project; None means an administrator of the portal."""

    user: User
    actor: Actor
    roles: Mapping[uuid.UUID, Role] | None

    @property
    def everywhere(self) -> bool:
        """Whether the person administers the portal, and with it every project."""
        return self.roles is None

    @property
    def nowhere(self) -> bool:
        """Whether the person is a member of no project at all."""
        return self.roles is not None and not self.roles

    def may(self, right: Right, project: Project | uuid.UUID | None) -> bool:
        """Whether the person has the right in a project, or in the portal as a whole if it is None. No query."""
        if self.roles is None:
            return True
        role = self.roles.get(project.pk if isinstance(project, Project) else project) if project else None
        return role is not None and _RANKS[role] >= _RANKS[least_role(right)]

    @property
    def readable(self) -> Readable:
        """A function that tells whether the person may read bodies of a project, also as quoted in messages. No query."""
        if self.roles is None or all(self.may(Right.READ_BODIES, project) for project in self.roles):
            return everything
        return lambda project: self.may(Right.READ_BODIES, project)

    def may_somewhere(self, right: Right) -> bool:
        """Whether the person has the right in any project. No query."""
        return self.roles is None or any(self.may(right, project) for project in self.roles)

    def projects(self, right: Right = Right.READ) -> QuerySet[Project]:
        """The projects in which the person has the right."""
        return self.within(Project.objects.all(), right=right, project="pk")

    def batches(self, right: Right = Right.READ) -> BatchQuerySet:
        """The batches on which the person has the right, including those deleted for clients."""
        found = self.within(Batch.objects.all(), right=right)
        assert isinstance(found, BatchQuerySet)
        return found

    def providers(self) -> QuerySet[Provider]:
        """The providers that the person may know of: their projects may use them, or have used them."""
        return Provider.objects.all() if self.roles is None else providers_of(self.projects())

    @property
    def filter_within(self) -> QuerySet[Project] | None:
        """The projects that a filter may name; None for all of them."""
        return None if self.roles is None else self.projects()

    def operations(self) -> QuerySet[BulkOperation]:
        """The bulk operations that the person may see: their own, or all for an administrator of the portal."""
        return BulkOperation.objects.all() if self.roles is None else BulkOperation.objects.filter(owner=self.user)

    def within(self, rows: QuerySet[M], *, right: Right = Right.READ, project: str = "project") -> QuerySet[M]:
        """The rows of projects in which the person has the right. `project` is the lookup from a row to its project."""
        if self.roles is None:
            return rows
        return rows.filter(**{f"{project}__in": [key for key in self.roles if self.may(right, key)]})

    def require(
        self, right: Right, project: Project | None, *, act: str, now: datetime, target: Model | None = None, reason: str = ""
    ) -> None:
        """Raise NotFound in a project that the person does not see, and NotPermitted if they lack the right there.

        The refusal is recorded. With AUDIT_BODY_VIEWS, permitted reading of bodies is recorded, too. Must be called outside
        of transactions, so that the record outlives the refusal.
        """
        if self.may(right, project):
            if right is Right.READ_BODIES and settings.AUDIT_BODY_VIEWS:
                record_act(act, actor=self.actor, now=now, target=target, project=project)
            return
        if project is not None and not self.may(Right.READ, project):
            raise NotFound
        record_refusal(act, actor=self.actor, now=now, target=target, project=project, reason=reason)
        where = f"in project {project}" if project else "in the portal as a whole"
        raise RoleMissing(right, where=where, project=project, is_of_portal=project is None)

    def require_somewhere(self, right: Right, *, act: str, now: datetime) -> None:
        """Raise NotPermitted, and record it, if the person has the right in no project at all."""
        if not self.may_somewhere(right):
            record_refusal(act, actor=self.actor, now=now)
            raise RoleMissing(right, where="in some project")

    def find(self, rows: QuerySet[M], right: Right, *, act: str, now: datetime, project: str = "project", **lookup: Any) -> M:
        """The one row that the lookup names. Raises NotFound outside the person's projects.

        Inside their projects a missing right raises NotPermitted, which is recorded.
        """
        row = self.within(rows, project=project).filter(**lookup).first()
        if row is None:
            raise NotFound
        owner = row if project == "pk" else reduce(getattr, project.split("__"), row)
        assert isinstance(owner, Project)
        self.require(right, owner, act=act, now=now, target=row)
        return row


def admins_of(project: Project, *, most: int) -> list[str]:
    """The user names of people who administer a project, `most` at most."""
    admins = Membership.objects.filter(project=project, role=Role.ADMIN, user__is_active=True)
    return list(admins.order_by("created_at", "pk").values_list("user__username", flat=True)[:most])


def access_of(user: User, *, source: Source) -> Access:
    """The rights of a person at this moment; none for a deactivated account. At most one query."""
    actor = Actor(f"user {user.get_username()}", source)
    if user.is_active and user.is_superuser:
        return Access(user, actor, None)
    memberships = Membership.objects.filter(user=user).values_list("project_id", "role") if user.is_active else ()
    return Access(user, actor, {project: Role(role) for project, role in memberships})


def providers_of(projects: QuerySet[Project]) -> QuerySet[Provider]:
    """The providers that at least one of these projects may use or has used."""
    used = Exists(Batch.objects.filter(project__in=projects, provider=OuterRef("pk")))
    return Provider.objects.filter(granted(projects) | used).distinct()

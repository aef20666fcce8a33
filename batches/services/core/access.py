"""access: what somebody who is signed in may see and do. The console, the native API and the admin all ask here."""

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

# Whether the one who reads may read the bodies of a project.
Readable = Callable[[uuid.UUID], bool]


def everything(_project: uuid.UUID) -> bool:
    """That of one who may read every body, such as the owner of a project's key."""
    return True


M = TypeVar("M", bound=Model)


class Right(StrEnum):
    """What a page or call needs its caller to be allowed, in the project that it is about."""

    READ = "read"  # batches, objects, errors, counts, events
    READ_BODIES = "read_bodies"  # requests, answers, the content of files
    ACT = "act"  # start, cancel, pause, retry
    MANAGE = "manage"  # keys, members, quotas


_RANKS = {Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}
_LEAST_ROLES = {Right.READ: Role.VIEWER, Right.ACT: Role.OPERATOR, Right.MANAGE: Role.ADMIN}


def least_role(right: Right) -> Role:
    """The lowest role that has this right. BODIES_ROLE says which may read bodies."""
    return Role(settings.BODIES_ROLE) if right is Right.READ_BODIES else _LEAST_ROLES[right]


@dataclass(frozen=True, slots=True)
class Access:
    """What one person may see and do. `roles` holds their role in each project; None makes them an admin everywhere."""

    user: User
    actor: Actor
    roles: Mapping[uuid.UUID, Role] | None

    @property
    def everywhere(self) -> bool:
        """Whether every project, and the portal itself, is theirs to administer."""
        return self.roles is None

    @property
    def nowhere(self) -> bool:
        """Whether they are a member of no project at all."""
        return self.roles is not None and not self.roles

    def may(self, right: Right, project: Project | uuid.UUID | None) -> bool:
        """Whether they have the right in a project; in the portal as a whole when it is None. No query."""
        if self.roles is None:
            return True
        role = self.roles.get(project.pk if isinstance(project, Project) else project) if project else None
        return role is not None and _RANKS[role] >= _RANKS[least_role(right)]

    @property
    def readable(self) -> Readable:
        """Of which projects they may read bodies, and so what messages quote of them. No query."""
        if self.roles is None or all(self.may(Right.READ_BODIES, project) for project in self.roles):
            return everything
        return lambda project: self.may(Right.READ_BODIES, project)

    def may_somewhere(self, right: Right) -> bool:
        """Whether they have the right in any project. No query."""
        return self.roles is None or any(self.may(right, project) for project in self.roles)

    def projects(self, right: Right = Right.READ) -> QuerySet[Project]:
        """The projects in which they have the right."""
        return self.within(Project.objects.all(), right=right, project="pk")

    def batches(self, right: Right = Right.READ) -> BatchQuerySet:
        """The batches on which they have the right, those deleted for clients included."""
        found = self.within(Batch.objects.all(), right=right)
        assert isinstance(found, BatchQuerySet)
        return found

    def providers(self) -> QuerySet[Provider]:
        """The providers that they may know of: those their projects may use, or have used."""
        return Provider.objects.all() if self.roles is None else providers_of(self.projects())

    @property
    def filter_within(self) -> QuerySet[Project] | None:
        """The projects that a filter may name; None for all of them."""
        return None if self.roles is None else self.projects()

    def operations(self) -> QuerySet[BulkOperation]:
        """The bulk operations that they may look at: their own."""
        return BulkOperation.objects.all() if self.roles is None else BulkOperation.objects.filter(owner=self.user)

    def within(self, rows: QuerySet[M], *, right: Right = Right.READ, project: str = "project") -> QuerySet[M]:
        """Those of the rows that belong to projects in which they have the right; `project` is the way to the project."""
        if self.roles is None:
            return rows
        return rows.filter(**{f"{project}__in": [key for key in self.roles if self.may(right, key)]})

    def require(
        self, right: Right, project: Project | None, *, act: str, now: datetime, target: Model | None = None, reason: str = ""
    ) -> None:
        """Raise NotFound in a project that they do not see, and NotPermitted, on record, where they lack the right.

        With AUDIT_BODY_VIEWS, who is let at bodies is on record too. To be asked outside of transactions: the record
        must outlive the refusal.
        """
        if self.may(right, project):
            if right is Right.READ_BODIES and settings.AUDIT_BODY_VIEWS:
                record_act(act, actor=self.actor, now=now, target=target, project=project)
            return
        if project is not None and not self.may(Right.READ, project):
            raise NotFound
        record_refusal(act, actor=self.actor, now=now, target=target, project=project, reason=reason)
        where = f"in project {project}" if project else "in the portal as a whole"
        raise NotPermitted(f"You may not do this: it needs the role {least_role(right)} {where}.")

    def require_somewhere(self, right: Right, *, act: str, now: datetime) -> None:
        """Raise NotPermitted, on record, for who has the right in no project at all."""
        if not self.may_somewhere(right):
            record_refusal(act, actor=self.actor, now=now)
            raise NotPermitted(f"You may not do this: it needs the role {least_role(right)} in some project.")

    def find(self, rows: QuerySet[M], right: Right, *, act: str, now: datetime, project: str = "project", **lookup: Any) -> M:
        """The one row that the lookup names. Raises NotFound outside their projects, NotPermitted, on record, inside."""
        row = self.within(rows, project=project).filter(**lookup).first()
        if row is None:
            raise NotFound
        owner = row if project == "pk" else reduce(getattr, project.split("__"), row)
        assert isinstance(owner, Project)
        self.require(right, owner, act=act, now=now, target=row)
        return row


def access_of(user: User, *, source: Source) -> Access:
    """What somebody may see and do at this moment: nothing once they are deactivated. At most one query."""
    actor = Actor(f"user {user.get_username()}", source)
    if user.is_active and user.is_superuser:
        return Access(user, actor, None)
    memberships = Membership.objects.filter(user=user).values_list("project_id", "role") if user.is_active else ()
    return Access(user, actor, {project: Role(role) for project, role in memberships})


def providers_of(projects: QuerySet[Project]) -> QuerySet[Provider]:
    """The providers that any of these projects may use, or has used."""
    used = Exists(Batch.objects.filter(project__in=projects, provider=OuterRef("pk")))
    return Provider.objects.filter(granted(projects) | used).distinct()

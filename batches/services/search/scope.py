"""Scope: the rows that a searcher may find. Rows of other projects are not there at all."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from batches.models import ApiKey, Batch, BulkOperation, ErrorGroup, File, Project
from batches.models.batch import BatchQuerySet
from batches.services.core.access import Access, Readable, Right, everything
from batches.services.core.route import granted_providers
from providers.models import Provider


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of one searcher. `projects` are the ids of their projects; None stands for all projects.

    `errors` are the error groups whose messages may be read: a message may quote a body.
    """

    projects: tuple[uuid.UUID, ...] | None
    batches: BatchQuerySet
    files: QuerySet[File]
    operations: QuerySet[BulkOperation]
    providers: QuerySet[Provider]
    groups: QuerySet[ErrorGroup]
    errors: QuerySet[ErrorGroup]
    error_projects: tuple[uuid.UUID, ...] | None
    readable: Readable


def scope_of_person(access: Access, *, now: datetime) -> Scope:
    """The scope of somebody who is signed in. Deleted files and drafts are not searched."""
    groups = ErrorGroup.objects.all()
    return Scope(
        projects=None if access.roles is None else tuple(access.roles),
        batches=access.batches(),
        files=access.within(File.objects.readable(now=now)),
        operations=access.operations(),
        providers=access.providers(),
        groups=access.within(groups),
        errors=access.within(groups, right=Right.READ_BODIES),
        error_projects=_with_bodies(access),
        readable=access.readable,
    )


def _with_bodies(access: Access) -> tuple[uuid.UUID, ...] | None:
    return None if access.roles is None else tuple(key for key in access.roles if access.may(Right.READ_BODIES, key))


def scope_of_key(key: ApiKey, *, now: datetime) -> Scope:
    """The scope of an API key: what its project's clients can see. Bulk operations belong to people."""
    project: Project = key.project
    groups = ErrorGroup.objects.filter(project=project)
    return Scope(
        projects=(project.pk,),
        batches=Batch.objects.visible(project=project),
        files=File.objects.visible(project=project, now=now),
        operations=BulkOperation.objects.none(),
        providers=_granted(granted_providers(project)),
        groups=groups,
        errors=groups,
        error_projects=(project.pk,),
        readable=everything,
    )


def _granted(providers: Iterable[Provider]) -> QuerySet[Provider]:
    return Provider.objects.filter(pk__in=[provider.pk for provider in providers])

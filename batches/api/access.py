"""Callers of the native API and their rights. A caller is a project's key, or a person who is signed in to the console."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.utils import timezone
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from batches.http.errors import InvalidValue, MissingParameter
from batches.http.views import KeyAuthentication
from batches.models import ApiKey, Batch, EmergencyStop, File, Project
from batches.models.batch import BatchQuerySet
from batches.models.file import FileQuerySet
from batches.rules import identifiers
from batches.rules.actors import Actor
from batches.rules.errors import NotFound, NotPermitted
from batches.rules.states import Source
from batches.services.core.access import Access, Readable, Right, access_of, everything
from batches.services.core.audit import record_refusal
from batches.services.core.route import granted_providers
from batches.services.intake.idempotency import note_read, note_use
from batches.services.policy.emergency_stop import seen_by, seen_in, stops_in_force
from batches.services.telemetry import log_context
from providers.models import Provider

M = TypeVar("M", bound=Model)


class ConsoleSession(SessionAuthentication):
    """Authentication by a session of the console. The CSRF token is looked for in a body only if the body is a form."""

    def enforce_csrf(self, request: Request) -> None:
        super().enforce_csrf(request._request)  # type: ignore[arg-type]  # it uses only attributes that both types have


class CallerAuthentication(KeyAuthentication):
    """Authentication by a key as bearer token, else by the console's session.

    With a session, calls that write need its CSRF token (X-CSRFToken).
    """

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        if not request.headers.get("Authorization") and (signed_in := ConsoleSession().authenticate(request)):
            return signed_in[0], None
        return super().authenticate(request)


@dataclass(frozen=True, slots=True)
class KeyCaller:
    """A project's key. In its own project it may do all that its scopes allow. The scopes were checked before (`scopes`)."""

    key: ApiKey

    @property
    def filter_within(self) -> QuerySet[Project] | None:
        """The projects that a filter may name; None for all of them."""
        return Project.objects.filter(pk=self.key.project_id)

    @property
    def actor(self) -> Actor:
        return Actor(f"key {self.key.name}", Source.API)

    def require(self, right: Right, project: Project | None, *, act: str, target: Model | None = None) -> None:
        """Raise NotPermitted unless the caller has the right in a project; with None, in any project."""

    def require_portal(self, *, act: str, target: Model) -> None:
        """Raise NotPermitted, with an audit entry: only people who administer the portal may do such acts."""
        record_refusal(act, actor=self.actor, now=timezone.now(), target=target, project=self.key.project)
        raise NotPermitted("An API key may not do this: it needs an administrator of the portal, signed in to the console.")

    @property
    def readable(self) -> Readable:
        """The projects whose error messages the caller may read, since messages may quote bodies."""
        return everything

    def project(self, slug: str | None, *, act: str) -> Project:  # noqa: ARG002 - a key is never refused
        """The project for a new row. Raises InvalidRequest and NotPermitted."""
        return self.readable_project(slug)

    def readable_project(self, slug: str | None) -> Project:
        """The project that a call asks about. Raises InvalidRequest."""
        if slug not in (None, self.key.project.slug):
            raise InvalidValue(f"Invalid value for 'project': this key belongs to {self.key.project.slug}.", param="project")
        return self.key.project

    def within(self, rows: QuerySet[M], *, right: Right = Right.READ) -> QuerySet[M]:  # noqa: ARG002 - a key has every right
        """The rows of the projects in which the caller has the right, of a table with the column `project`."""
        return rows.filter(project=self.key.project)

    def batches(self) -> BatchQuerySet:
        return Batch.objects.visible(project=self.key.project)

    def known_batches(self) -> BatchQuerySet:
        """The batches that may be a cursor: deleted ones too, so that a cursor outlives its batch."""
        return Batch.objects.filter(project=self.key.project)

    def files(self, *, now: datetime) -> FileQuerySet:
        return File.objects.visible(project=self.key.project, now=now)

    def known_files(self) -> FileQuerySet:
        return File.objects.filter(project=self.key.project)

    def providers(self) -> list[Provider]:
        return granted_providers(self.key.project)

    def stops(self) -> list[EmergencyStop]:
        return seen_in(self.key.project, stops_in_force(), providers=self.providers())

    def note_use(self, batches: Iterable[Batch]) -> None:
        """Note that the caller knows the ids of these batches (see `idempotency`)."""
        note_use(batches, key=self.key, now=timezone.now())

    def note_read(self, file: File) -> None:
        """Note that the caller reads a file (see `idempotency`)."""
        note_read(file, key=self.key, now=timezone.now())


@dataclass(frozen=True, slots=True)
class UserCaller:
    """A person of the console, with the rights of their roles in their projects. They also see rows deleted by clients."""

    access: Access

    @property
    def filter_within(self) -> QuerySet[Project] | None:
        return self.access.filter_within

    @property
    def actor(self) -> Actor:
        return self.access.actor

    @property
    def readable(self) -> Readable:
        return self.access.readable

    def require(self, right: Right, project: Project | None, *, act: str, target: Model | None = None) -> None:
        now = timezone.now()
        if project is None:
            self.access.require_somewhere(right, act=act, now=now)
        else:
            self.access.require(right, project, act=act, now=now, target=target)

    def require_portal(self, *, act: str, target: Model) -> None:
        self.access.require(Right.MANAGE, None, act=act, now=timezone.now(), target=target)

    def project(self, slug: str | None, *, act: str) -> Project:
        project = self.readable_project(slug)
        self.require(Right.ACT, project, act=act)
        return project

    def readable_project(self, slug: str | None) -> Project:
        if slug is None:
            raise MissingParameter("Missing required parameter: 'project'. Only an API key stands for one.", param="project")
        project = Project.objects.called(slug)
        if project is None or not self.access.may(Right.READ, project):
            raise InvalidValue(f"Invalid value for 'project': there is no project {slug[:100]!r}.", param="project")
        return project

    def within(self, rows: QuerySet[M], *, right: Right = Right.READ) -> QuerySet[M]:
        return self.access.within(rows, right=right)

    def batches(self) -> BatchQuerySet:
        return self.access.batches()

    known_batches = batches

    def files(self, *, now: datetime) -> FileQuerySet:
        return self.known_files().readable(now=now)

    def known_files(self) -> FileQuerySet:
        return cast("FileQuerySet", self.access.within(File.objects.all()))

    def providers(self) -> list[Provider]:
        return list(self.access.providers())

    def stops(self) -> list[EmergencyStop]:
        return seen_by(self.access, stops_in_force())

    def note_use(self, batches: Iterable[Batch]) -> None:
        """Do nothing: a person who sees a batch does not show that its client knows it."""

    def note_read(self, file: File) -> None:
        """Do nothing, for the same reason as in `note_use`."""


Caller = KeyCaller | UserCaller


def caller_of(request: Request) -> Caller:
    """The caller of an authenticated request."""
    if isinstance(request.auth, ApiKey):
        return KeyCaller(request.auth)
    assert isinstance(request.user, User)
    return UserCaller(access_of(request.user, source=Source.API))


def find_batch(caller: Caller, text: str, *, right: Right, act: str) -> Batch:
    """The batch with this id, in any of its forms, with its related rows.

    Raises NotFound with the same message for every reason, and NotPermitted if the caller sees the batch but lacks the right.
    """
    key = identifiers.parse(text)
    named = caller.batches().select_related("project", "provider", "created_by_key", "input_file")
    batch = named.filter(pk=key).first() if key else None
    if batch is None:
        raise NotFound(f"There is no batch with the id {text[:100]!r}.", param="batch_id")
    log_context.note(**{log_context.BATCH: str(batch)})
    caller.require(right, batch.project, act=act, target=batch)
    caller.note_use([batch])
    return batch


def find_file(caller: Caller, text: str, *, right: Right, act: str, now: datetime, param: str = "file_id") -> File:
    """The file with this id. Deleted and expired files are not found. Raises NotFound and NotPermitted."""
    key = identifiers.parse(text)
    file = caller.files(now=now).select_related("project").filter(pk=key).first() if key else None
    if file is None:
        raise NotFound(f"There is no file with the id {text[:100]!r}.", param=param)
    caller.require(right, file.project, act=act, target=file)
    return file

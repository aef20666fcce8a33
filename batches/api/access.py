"""Who calls the native API, and what they may see and do: a project's key, or somebody who is signed in to the console."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from batches import identifiers
from batches.actors import Actor
from batches.dialects.base.errors import InvalidValue, MissingParameter
from batches.dialects.base.views import KeyAuthentication
from batches.errors import NotFound, NotPermitted
from batches.models import ApiKey, Batch, File, Project
from batches.models.batch import BatchQuerySet
from batches.models.file import FileQuerySet
from batches.services.route import granted_providers
from batches.states import Source
from providers.models import Provider


class ConsoleSession(SessionAuthentication):
    """The console's session. Its CSRF token is looked for without reading a body that is not a form."""

    def enforce_csrf(self, request: Request) -> None:
        super().enforce_csrf(request._request)  # type: ignore[arg-type]  # it looks at what both have


class CallerAuthentication(KeyAuthentication):
    """A key as bearer token; without one, the console's session, whose writing calls need its CSRF token (X-CSRFToken)."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        if not request.headers.get("Authorization") and (signed_in := ConsoleSession().authenticate(request)):
            return signed_in[0], None
        return super().authenticate(request)


@dataclass(frozen=True, slots=True)
class KeyCaller:
    """A project's key: it may do everything, in its own project."""

    key: ApiKey

    @property
    def within(self) -> Project | None:
        """The one project that it can see; None when it can see all."""
        return self.key.project

    @property
    def actor(self) -> Actor:
        return Actor(f"key {self.key.name}", Source.API)

    def require(self, permission: str) -> None:
        """Raise NotPermitted unless this may be done."""

    def project(self, slug: str | None) -> Project:
        """Where something new belongs. Raises InvalidRequest."""
        if slug not in (None, self.key.project.slug):
            raise InvalidValue(f"Invalid value for 'project': this key belongs to {self.key.project.slug}.", param="project")
        return self.key.project

    def batches(self) -> BatchQuerySet:
        return Batch.objects.visible(project=self.key.project)

    def files(self, *, now: datetime) -> FileQuerySet:
        return File.objects.visible(project=self.key.project, now=now)

    def providers(self) -> list[Provider]:
        return granted_providers(self.key.project)


@dataclass(frozen=True, slots=True)
class UserCaller:
    """Somebody of the console: every project, as far as their permissions go. Sees what was deleted for clients, too."""

    user: User

    @property
    def within(self) -> Project | None:
        return None

    @property
    def actor(self) -> Actor:
        return Actor(f"user {self.user.get_username()}", Source.API)

    def require(self, permission: str) -> None:
        if not self.user.has_perm(permission):
            raise NotPermitted(f"You may not do this: it needs the permission {permission}.")

    def project(self, slug: str | None) -> Project:
        if slug is None:
            raise MissingParameter("Missing required parameter: 'project'. Only an API key stands for one.", param="project")
        project = Project.objects.called(slug)
        if project is None:
            raise InvalidValue(f"Invalid value for 'project': there is no project {slug[:100]!r}.", param="project")
        return project

    def batches(self) -> BatchQuerySet:
        return Batch.objects.all()

    def files(self, *, now: datetime) -> FileQuerySet:
        return File.objects.readable(now=now)

    def providers(self) -> list[Provider]:
        return list(Provider.objects.all())


Caller = KeyCaller | UserCaller


def caller_of(request: Request) -> Caller:
    """Who sent an authenticated request."""
    if isinstance(request.auth, ApiKey):
        return KeyCaller(request.auth)
    assert not isinstance(request.user, AnonymousUser)
    return UserCaller(request.user)


def find_batch(caller: Caller, text: str) -> Batch:
    """The batch with this id, in any of its forms, and all that it names. Raises NotFound, the same for every reason."""
    key = identifiers.parse(text)
    named = caller.batches().select_related("project", "provider", "created_by_key", "input_file")
    batch = named.filter(pk=key).first() if key else None
    if batch is None:
        raise NotFound(f"There is no batch with the id {text[:100]!r}.", param="batch_id")
    return batch


def find_file(caller: Caller, text: str, *, now: datetime, param: str = "file_id") -> File:
    """The file with this id, neither deleted nor expired. Raises NotFound."""
    key = identifiers.parse(text)
    file = caller.files(now=now).select_related("project").filter(pk=key).first() if key else None
    if file is None:
        raise NotFound(f"There is no file with the id {text[:100]!r}.", param=param)
    return file

"""Rights in the console. Every view checks them itself, even if a template shows no link to it."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from batches.console.kit.live import wants_fragment
from batches.models import Batch
from batches.rules.actors import Actor
from batches.rules.errors import NotFound, NotPermitted
from batches.rules.states import Source
from batches.services.core.access import Access, Right, RoleMissing, access_of, admins_of, least_role
from batches.services.telemetry import log_context

P = ParamSpec("P")
M = TypeVar("M", bound=Model)
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class SignedIn(HttpRequest):
    """A request that `requires` has checked. `access` are the rights of its sender; `right` is the right that the page needs."""

    access: Access
    right: Right


def requires(right: Right) -> Callable[[Callable[Concatenate[SignedIn, P], HttpResponseBase]], View[P]]:
    """Decorate a view that needs a right. Strangers are asked to sign in; people without a project get a page about it.

    If the address names a row, the view must call `find` or `find_batch`. These answer 404 outside of the visitor's projects,
    and 403 inside if the right is missing. Any other page is refused to visitors who have the right in no project.
    """

    def decorate(view: Callable[Concatenate[SignedIn, P], HttpResponseBase]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not isinstance(request.user, User):
                if wants_fragment(request):
                    return render(request, "console/signed_out.html", status=401)
                return redirect_to_login(request.get_full_path())
            signed_in = cast("SignedIn", request)
            signed_in.access, signed_in.right = access_of(request.user, source=Source.CONSOLE), right
            if signed_in.access.nowhere:
                return render(request, "console/no_projects.html", status=403)
            try:
                # What the address names; an argument of the route itself, such as the form of an export, names nothing.
                if not getattr(request.resolver_match, "captured_kwargs", kwargs):
                    signed_in.access.require_somewhere(right, act=act_of(request), now=timezone.now())
                return view(signed_in, *args, **kwargs)
            except NotFound as error:
                raise Http404(error.message) from None
            except NotPermitted as error:
                raise PermissionDenied(refusal(signed_in, error)) from None

        guarded.right = right  # type: ignore[attr-defined]  # read by the test of all routes
        return guarded

    return decorate


def find(request: SignedIn, rows: QuerySet[M], *, project: str = "project", **lookup: Any) -> M:
    """The row that the address names. `project` is the lookup from a row to its project, or `pk` for projects themselves.

    Raises NotFound if there is no such row in the visitor's projects. Raises NotPermitted, with an audit entry, if the visitor
    lacks the right that the page needs.
    """
    now = timezone.now()
    return request.access.find(rows, request.right, act=act_of(request), now=now, project=project, **lookup)


def find_batch(request: SignedIn, batch_id: uuid.UUID) -> Batch:
    """The batch that the address names, with the related rows that its pages name. Raises NotFound and NotPermitted."""
    named = ("project", "provider", "created_by_key", "input_file", "output_file", "error_file")
    batch = find(request, Batch.objects.select_related(*named), pk=batch_id)
    log_context.note(**{log_context.BATCH: str(batch)})
    return batch


def actor(request: SignedIn) -> Actor:
    """The signed-in person as the actor of events."""
    return request.access.actor


def act_of(request: HttpRequest) -> str:
    """The name of the act in audit entries: the name of the page's address."""
    return (request.resolver_match and request.resolver_match.url_name) or request.path[:50]


MOST_NAMED = 5  # the most admins that a refusal names
_DOING = {
    "pause_batch": "Pausing",
    "resume_batch": "Resuming",
    "prioritise_batch": "Changing the priority",
    "precede_batch": "Changing the precedence",
    "reroute_batch": "Rerouting",
    "guards_batch": "Changing guards",
    "cancel_batch": "Cancelling",
    "retry_batch": "Retrying",
    "edit_object": "Editing and resending a request",
    "new_batch": "Starting a batch",
    "check_input": "Starting a batch",
    "discard_input": "Discarding an upload",
    "new_bulk": "Acting on many batches",
    "mark_error_group": "Changing an error group",
    "check_provider": "Checking a provider",
    "resume_provider": "Resuming a provider",
    "look_at_job": "Looking at a provider job",
    "recall_job": "Taking a provider job back",
    "adopt_job": "Adopting a provider job",
    "recreate_job": "Creating a provider job again",
    "leave_job": "Leaving the requests of a provider job to others",
    "resolve_incident": "Resolving an incident",
    "act_on_jobs": "Acting on many provider jobs",
    "new_api_key": "Making an API key",
    "revoke_api_key": "Revoking an API key",
    "new_webhook": "Adding a webhook endpoint",
    "change_webhook": "Changing a webhook endpoint",
    "rotate_webhook": "Replacing the secret of a webhook endpoint",
    "webhook_callbacks": "Replacing the secret of callback URLs",
    "test_webhook": "Testing a webhook endpoint",
    "enable_webhook": "Enabling a webhook endpoint",
    "disable_webhook": "Disabling a webhook endpoint",
    "remove_webhook": "Removing a webhook endpoint",
    "redeliver_webhook": "Sending an event again",
    "new_stop": "Stopping sending or intake",
    "end_stop": "Ending an emergency stop",
}
_DOING_BY_RIGHT = {
    Right.READ: "Opening this page",
    Right.READ_BODIES: "Reading requests and responses",
    Right.ACT: "Acting on batches",
    Right.MANAGE: "Administering a project",
}


def refusal(request: SignedIn, error: NotPermitted) -> str:
    """The sentence of a refusal: the act, the role that it needs, the role of the person, and whom to ask."""
    if not isinstance(error, RoleMissing):
        return error.message
    act = _DOING.get(act_of(request), _DOING_BY_RIGHT[error.right])
    role, project = least_role(error.right), error.project
    if project is not None:
        own = (request.access.roles or {})[project.pk]
        names = admins_of(project, most=MOST_NAMED)
        whom = f"an admin of {project.slug}: {', '.join(names)}" if names else "an administrator of the portal"
        return f"{act} needs the {role} role in {project.slug}; you are {_a(own)}. Ask {whom}."
    if error.is_of_portal:
        return f"{act} needs an administrator of the portal. Ask one of them."
    return f"{act} needs the {role} role in a project; you have it in none. Ask an admin of your project."


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"

"""Who may see and do what in the console: asked in every view, whatever a template shows."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from batches.actors import Actor
from batches.console.live import wants_fragment
from batches.states import Source

VIEW = "batches.view_batch"
CREATE = "batches.add_batch"
CANCEL = "batches.cancel_batch"

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def requires(permission: str) -> Callable[[View[P]], View[P]]:
    """A view for those who are signed in and hold the permission; others are asked to sign in, or refused (403)."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                if wants_fragment(request):
                    return render(request, "console/signed_out.html", status=401)
                return redirect_to_login(request.get_full_path())
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def actor(request: HttpRequest) -> Actor:
    """The signed-in operator, as events record them."""
    return Actor(f"user {request.user.get_username()}", Source.CONSOLE)

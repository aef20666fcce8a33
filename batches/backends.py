"""How people sign in to the console and the admin: with a name and a password, tried only so often."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from batches.senders import client_address
from batches.services import sign_in


class BoundedBackend(ModelBackend):
    """Django's own, behind `services.sign_in`."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Who it is; None when the password is wrong. Raises PermissionDenied, whatever it is, when there were too many."""
        name, address = username or "", _address(request) if request else ""
        if not sign_in.attempt(name, address, now=timezone.now()):
            raise PermissionDenied
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None:
            sign_in.succeed(name, address)
        return user


def _address(request: HttpRequest) -> str:
    """Where a request comes from; behind a proxy that is trusted, what that says of it."""
    return client_address(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))

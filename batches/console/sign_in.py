"""Signing in. How often it may be tried is bounded by `batches.backends`; the page says so once it went wrong."""

import math
from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView


class SignIn(LoginView):
    """A name and a password; whoever is signed in goes on at once."""

    template_name = "console/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        bounds = {"attempts": settings.SIGN_IN_ATTEMPTS, "minutes": math.ceil(settings.SIGN_IN_SECONDS / 60)}
        return super().get_context_data(**kwargs, **bounds)

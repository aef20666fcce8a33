"""Acts on webhook endpoints: add, change, test, disable, enable, remove, replace the secret. One page shows a secret, once."""

import uuid

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from batches.console.kit.access import SignedIn, actor, requires
from batches.console.pages.webhooks.endpoint_forms import CallbacksForm, EndpointForm, NewEndpointForm, RotateForm, TestForm
from batches.console.pages.webhooks.endpoint_page import find_endpoint
from batches.models import WebhookEndpoint
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.core.access import Right
from batches.services.webhooks import deliveries, endpoints


@sensitive_variables("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def new_endpoint(request: SignedIn) -> HttpResponseBase:
    """Add an endpoint. The answer to the form is the only page that shows its secret, and it is never cached."""
    projects = request.access.projects(Right.MANAGE).order_by("slug")
    form = NewEndpointForm(
        request.POST if request.method == "POST" else None, projects=projects, chosen=request.GET.get("project", "")
    )
    if form.is_valid():
        said = form.cleaned_data
        settings = {name: said[name] for name in ("name", "url", "event_types")}
        try:
            endpoint, secret = endpoints.add(
                said["project"], **settings, actor=actor(request), now=timezone.now(), id=said["token"]
            )
        except IntegrityError:
            form.add_error(None, "This form was sent before, and its secret was shown then. Replace it if you have not kept it.")
        except InvalidRequest as error:
            form.refuse(error)
        except Conflict as error:
            form.add_error(None, error.message)
        else:
            return _secret_page(request, endpoint, secret)
    return render(request, "console/new_webhook.html", {"form": form}, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def change_endpoint(request: SignedIn, endpoint_id: uuid.UUID) -> HttpResponseBase:
    """Change the name, the URL and the events of an endpoint."""
    endpoint = find_endpoint(request, endpoint_id)
    if endpoint.is_callbacks:
        messages.info(request, "This endpoint stands for the callback URLs of batches. It has no settings of its own.")
        return redirect("console:webhook", endpoint.pk)
    form = EndpointForm.about(endpoint, request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            endpoints.change(endpoint, settings=form.cleaned_data, actor=actor(request), now=timezone.now())
        except InvalidRequest as error:
            form.refuse(error)
        else:
            messages.success(request, "Endpoint changed." if form.has_changed() else "Nothing was changed.")
            return redirect("console:webhook", endpoint.pk)
    context = {"endpoint": endpoint, "form": form}
    return render(request, "console/change_webhook.html", context, status=422 if form.is_bound else 200)


@sensitive_variables("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def rotate_secret(request: SignedIn, endpoint_id: uuid.UUID) -> HttpResponseBase:
    """Ask about a new secret. The answer to the form is the only page that shows it, and it is never cached."""
    endpoint = find_endpoint(request, endpoint_id)
    form = RotateForm(request.POST if request.method == "POST" else None, endpoint=endpoint)
    if form.is_valid():
        endpoint, secret = endpoints.rotate(endpoint, overlap=form.overlap, actor=actor(request), now=timezone.now())
        return _secret_page(request, endpoint, secret)
    context = {"endpoint": endpoint, "form": form, "problems": form.errors.get("__all__", [])}
    return render(request, "console/rotate_webhook.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def webhook_callbacks(request: SignedIn) -> HttpResponseBase:
    """Explain callback URLs. POST leads to the secret of those of a project, which may not have named one yet."""
    projects = request.access.projects(Right.MANAGE).order_by("slug")
    form = CallbacksForm(
        request.POST if request.method == "POST" else None, projects=projects, chosen=request.GET.get("project", "")
    )
    if form.is_valid():
        endpoint = endpoints.callbacks_of(form.cleaned_data["project"], actor=actor(request), now=timezone.now())
        return redirect("console:rotate_webhook", endpoint.pk)
    return render(request, "console/webhook_callbacks.html", {"form": form}, status=422 if form.is_bound else 200)


def _secret_page(request: SignedIn, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    shown = render(request, "console/webhook_secret.html", {"endpoint": endpoint, "secret": secret})
    shown.headers["Cache-Control"] = "private, no-store"
    return shown


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def test_endpoint(request: SignedIn, endpoint_id: uuid.UUID) -> HttpResponseBase:
    """Ask which event to send. POST sends it, and leads to its delivery."""
    endpoint = find_endpoint(request, endpoint_id)
    form = TestForm(request.POST if request.method == "POST" else None)
    problems = []
    if form.is_valid():
        try:
            delivery = deliveries.send_test(
                endpoint, event_type=form.cleaned_data["type"], actor=actor(request), now=timezone.now()
            )
        except Conflict as error:
            problems = [error.message]
        else:
            return redirect("console:webhook_delivery", delivery.pk)
    context = {"endpoint": endpoint, "form": form, "problems": problems}
    return render(request, "console/test_webhook.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def switch_endpoint(request: SignedIn, endpoint_id: uuid.UUID, enabled: bool) -> HttpResponseBase:  # noqa: FBT001 - of the route
    """Ask whether to enable or to disable an endpoint. POST does it."""
    endpoint = find_endpoint(request, endpoint_id)
    if endpoint.enabled == enabled:
        messages.info(request, f"The endpoint is {'enabled' if enabled else 'disabled'} already.")
        return redirect("console:webhook", endpoint.pk)
    if request.method == "POST":
        endpoints.change(endpoint, settings={"enabled": enabled}, actor=actor(request), now=timezone.now())
        messages.success(request, f"Endpoint {'enabled' if enabled else 'disabled'}.")
        return redirect("console:webhook", endpoint.pk)
    return render(request, "console/switch_webhook.html", {"endpoint": endpoint})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def remove_endpoint(request: SignedIn, endpoint_id: uuid.UUID) -> HttpResponseBase:
    """Ask whether to remove an endpoint with its deliveries. POST does it."""
    endpoint = find_endpoint(request, endpoint_id)
    if endpoint.is_callbacks:
        messages.info(request, "The endpoint of callback URLs cannot be removed. Disable it instead.")
        return redirect("console:webhook", endpoint.pk)
    problems = []
    if request.method == "POST":
        try:
            endpoints.remove(endpoint, actor=actor(request), now=timezone.now())
        except Conflict as error:
            problems = [error.message]
        else:
            messages.success(request, "Endpoint removed.")
            return redirect("console:webhooks")
    context = {"endpoint": endpoint, "problems": problems}
    return render(request, "console/remove_webhook.html", context, status=422 if problems else 200)

"""API keys, for admins of a project: list, make, change, revoke. Only one page, and only once, shows the text of a key."""

import uuid
from datetime import datetime, timedelta

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import Q
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from batches.console.drawing.batch_state import Badge, Tone
from batches.console.kit.access import SignedIn, actor, find, requires
from batches.console.kit.lists.paging import capped, capped_count
from batches.console.pages.portal.key_forms import KeyForm, NewKeyForm, RevokeForm
from batches.models import ApiKey, KeyState
from batches.rules.errors import InvalidRequest, PortalError
from batches.services.bulk.preview import announced
from batches.services.bulk.revoke import Fate, revoke, running_batches
from batches.services.core.access import Right
from batches.services.insight.audit_log import records_about
from batches.services.people.keys import KeyRevoked, change_key, issue_key

MOST_SHOWN = 500
SHOWN_RECORDS = 50
EXPIRES_SOON = timedelta(days=14)


@require_safe
@requires(Right.MANAGE)
def api_keys(request: SignedIn) -> HttpResponseBase:
    """The keys of the project in the address, or of all projects that the person administers: accepted ones, or all."""
    now, projects = timezone.now(), request.access.projects(Right.MANAGE)
    keys = request.access.within(ApiKey.objects.select_related("project"), right=Right.MANAGE)
    project, everything = request.GET.get("project", ""), request.GET.get("state") == "all"
    if project:
        keys = keys.filter(project__slug=project) if project.isprintable() else keys.none()
    if not everything:
        keys = keys.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
    found = list(keys.order_by("project__slug", "name", "-created_at")[: MOST_SHOWN + 1])
    context = {
        "keys": [(key, key_standing(key, now=now)) for key in found[:MOST_SHOWN]],
        "cut": len(found) > MOST_SHOWN,
        "most": MOST_SHOWN,
        "project": project,
        "projects": projects.order_by("slug")[:MOST_SHOWN],
        "everything": everything,
    }
    return render(request, "console/api_keys.html", context)


@sensitive_variables("plain", "shown")
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def new_api_key(request: SignedIn) -> HttpResponseBase:
    """Make a key. The answer to the form is the only page that shows the key's text, and it is never cached."""
    now, projects = timezone.now(), request.access.projects(Right.MANAGE).order_by("slug")
    form = NewKeyForm(
        request.POST if request.method == "POST" else None, projects=projects, chosen=request.GET.get("project", "")
    )
    if form.is_valid():
        said = form.cleaned_data
        try:
            key, plain = issue_key(
                said["project"].slug,
                name=said["name"],
                scopes=said["scopes"],
                expires_at=said["expires_at"],
                addresses=said["addresses"],
                actor=actor(request),
                now=now,
                id=said["token"],
            )
        except InvalidRequest as error:
            form.refuse(error)
        except IntegrityError:
            form.add_error(None, "This form was sent before, and its key was shown then. If you have not kept it, make another.")
        else:
            shown = render(request, "console/key_made.html", {"key": key, "plain": plain})
            shown.headers["Cache-Control"] = "private, no-store"
            return shown
    return render(request, "console/new_api_key.html", {"form": form}, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def api_key(request: SignedIn, key_id: uuid.UUID) -> HttpResponseBase:
    """One key, its audit entries, and a form for changes. POST changes the key."""
    now, key = timezone.now(), _find(request, key_id)
    form = KeyForm.about(key, request.POST if request.method == "POST" else None)
    if form.is_valid():
        said = form.cleaned_data
        expires_at = form.expiry_of(key)
        try:
            key = change_key(
                key, name=said["name"], expires_at=expires_at, addresses=said["addresses"], actor=actor(request), now=now
            )
        except InvalidRequest as error:
            form.refuse(error)
        except KeyRevoked as error:
            messages.error(request, error.message)
            return redirect("console:api_key", key.pk)
        else:
            messages.success(request, f"Key {key.name} changed.")
            return redirect("console:api_key", key.pk)
    running = capped_count(running_batches(key))
    context = {
        "key": key,
        "key_actor": f"key {key.name}",
        "standing": key_standing(key, now=now),
        "form": form if key.state(now=now) is not KeyState.REVOKED else None,
        "running": running,
        "running_told": capped(running),
        "records": records_about(key, most=SHOWN_RECORDS),
    }
    return render(request, "console/api_key.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def revoke_api_key(request: SignedIn, key_id: uuid.UUID) -> HttpResponseBase:
    """Ask about the fate of the running batches of a key. POST revokes the key."""
    now, key = timezone.now(), _find(request, key_id)
    if key.state(now=now) is KeyState.REVOKED:
        messages.info(request, f"Key {key.name} was already revoked.")
        return redirect("console:api_key", key.pk)
    running = capped_count(running_batches(key))
    form = RevokeForm(request.POST if request.method == "POST" else None, running=running)
    if form.is_valid():
        _revoke(request, key, form.fate, reason=form.cleaned_data["reason"], now=now)
        return redirect("console:api_key", key.pk)
    context = {"key": key, "form": form, "running": running}
    return render(request, "console/revoke_api_key.html", context, status=422 if form.is_bound else 200)


def _revoke(request: SignedIn, key: ApiKey, fate: Fate, *, reason: str, now: datetime) -> None:
    try:
        operation = revoke(key, fate=fate, by=request.access, now=now, reason=reason)
    except KeyRevoked as error:
        messages.info(request, error.message)
        return
    except PortalError as error:
        messages.error(request, f"Key {key.name} is refused from now on, but its batches run on: {error.message}")
        return
    told = f"Key {key.name} is refused from now on."
    if operation is not None:
        address = reverse("console:bulk_operation", args=[operation.pk])
        link = format_html('<a href="{}">Watch the operation</a>', address)
        messages.success(request, format_html("{} {} {}", told, announced(operation), link))
    else:
        messages.success(request, told)


def _find(request: SignedIn, key_id: uuid.UUID) -> ApiKey:
    return find(request, ApiKey.objects.select_related("project"), pk=key_id)


def key_standing(key: ApiKey, *, now: datetime) -> Badge:
    """Whether a key is accepted, in a word, a tone and a sentence."""
    state = key.state(now=now)
    if state is KeyState.REVOKED:
        return Badge("Revoked", Tone.MUTE, "It is refused for good.")
    if state is KeyState.EXPIRED:
        return Badge("Expired", Tone.MUTE, "It is refused. With a later expiry it would be accepted again.")
    if key.expires_at is not None and key.expires_at < now + EXPIRES_SOON:
        return Badge("Expires soon", Tone.WARN, "It is accepted until then.")
    return Badge("Usable", Tone.GOOD, "It is accepted.")

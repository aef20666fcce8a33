"""Subscriptions of a person: the list, one subscription, a new one, and the acts on it."""

import uuid

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from batches.console.drawing.batch_state import Badge, Tone
from batches.console.kit.access import SignedIn, requires
from batches.console.kit.live import respond
from batches.console.pages.notices.subscription_forms import NewSubscriptionForm, SubscriptionForm
from batches.models import Channel, Notice, Subscription
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.core.access import Right
from batches.services.notices import subscriptions
from batches.services.notices.subscriptions import own_subscription, own_subscriptions
from batches.services.webhooks.endpoints import EVENT_TYPES


def standing_of(subscription: Subscription) -> Badge:
    """Whether a person is told, and messages arrive."""
    if subscription.is_given_up:
        return Badge("Stopped by failures", Tone.BAD, "Nothing is sent, because its messages failed for too long.")
    if not subscription.enabled:
        return Badge("Paused", Tone.MUTE, "Nothing is sent until it is resumed.")
    if subscription.failing_since is not None:
        return Badge("Failing", Tone.WARN, "Its messages fail, and are tried again.")
    return Badge("On", Tone.GOOD, "You are told.")


@require_safe
@requires(Right.READ)
def notices(request: SignedIn) -> HttpResponseBase:
    """The person's own subscriptions."""
    found = own_subscriptions(request.access).prefetch_related("projects")
    seen = set(request.access.projects().filter(pk__in=found.values("projects")).values_list("pk", flat=True))
    rows = [(one, standing_of(one), [each.slug for each in one.projects.all() if each.pk in seen]) for one in found]
    return render(request, "console/notices.html", {"rows": rows, "offers_email": subscriptions.offers_email()})


@require_safe
@requires(Right.READ)
def subscription_page(request: SignedIn, subscription_id: uuid.UUID) -> HttpResponseBase:
    """One subscription: its state, what came of the last message, and its settings."""
    subscription = own_subscription(request.access, subscription_id)
    projects = request.access.projects().filter(pk__in=subscription.projects.values("pk"))
    context: dict[str, object] = {
        "subscription": subscription,
        "standing": standing_of(subscription),
        "waiting": Notice.objects.filter(subscription=subscription, due_at__isnull=False).exists(),
        "events": [(word, EVENT_TYPES[word]) for word in subscription.event_types if word in EVENT_TYPES],
        "projects": projects.order_by("slug"),
        "address": request.access.user.email,
    }
    return respond(request, "console/subscription.html", regions="console/subscription_regions.html", context=context)


@sensitive_post_parameters("chat_url")
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.READ)
def new_subscription(request: SignedIn) -> HttpResponseBase:
    """Add a subscription. Without a mail server, e-mail is not offered."""
    offered = {channel.value: str(channel.label) for channel in Channel}
    if not subscriptions.offers_email():
        del offered[Channel.EMAIL]
    form = NewSubscriptionForm(
        request.POST if request.method == "POST" else None, projects=request.access.projects(), offered=offered
    )
    if form.is_valid():
        said = form.cleaned_data
        try:
            subscription = subscriptions.subscribe(
                request.access,
                form.wish,
                channel=said["channel"],
                chat_url=said["chat_url"],
                now=timezone.now(),
                id=said["token"],
            )
        except IntegrityError:
            form.add_error(None, "This form was sent before. Your subscription is there already.")
        except InvalidRequest as error:
            form.refuse(error)
        except Conflict as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Subscribed. Send a test to see that it arrives.")
            return redirect("console:subscription", subscription.pk)
    context = {"form": form, "offers_email": subscriptions.offers_email(), "address": request.access.user.email}
    return render(request, "console/new_subscription.html", context, status=422 if form.is_bound else 200)


@sensitive_post_parameters("chat_url")
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.READ)
def change_subscription(request: SignedIn, subscription_id: uuid.UUID) -> HttpResponseBase:
    """Change what a person is told of, how often, and the URL of a chat."""
    subscription = own_subscription(request.access, subscription_id)
    data = request.POST if request.method == "POST" else None
    form = SubscriptionForm.about(subscription, data, projects=request.access.projects())
    if form.is_valid():
        url = form.cleaned_data["chat_url"]
        try:
            subscriptions.change(subscription, form.wish, by=request.access, chat_url=url, now=timezone.now())
        except InvalidRequest as error:
            form.refuse(error)
        else:
            messages.success(request, "Subscription changed." if form.has_changed() else "Nothing was changed.")
            return redirect("console:subscription", subscription.pk)
    context = {"subscription": subscription, "form": form}
    return render(request, "console/change_subscription.html", context, status=422 if form.is_bound else 200)


@require_POST
@requires(Right.READ)
def switch_subscription(request: SignedIn, subscription_id: uuid.UUID, enabled: bool) -> HttpResponseBase:  # noqa: FBT001 - of the route
    """Pause or resume a subscription."""
    subscription = own_subscription(request.access, subscription_id)
    subscriptions.switch(subscription, enabled=enabled, by=request.access, now=timezone.now())
    messages.success(request, "Subscription resumed." if enabled else "Subscription paused.")
    return redirect("console:subscription", subscription.pk)


@require_POST
@requires(Right.READ)
def test_subscription(request: SignedIn, subscription_id: uuid.UUID) -> HttpResponseBase:
    """Send a test. The page of the subscription tells what came of it."""
    subscription = own_subscription(request.access, subscription_id)
    try:
        subscriptions.send_test(subscription, by=request.access, now=timezone.now())
    except Conflict as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "A test is on its way.")
    return redirect("console:subscription", subscription.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.READ)
def remove_subscription(request: SignedIn, subscription_id: uuid.UUID) -> HttpResponseBase:
    """Ask whether to remove a subscription. POST does it."""
    subscription = own_subscription(request.access, subscription_id)
    if request.method == "POST":
        subscriptions.unsubscribe(subscription, by=request.access, now=timezone.now())
        messages.success(request, "Subscription removed.")
        return redirect("console:notices")
    return render(request, "console/remove_subscription.html", {"subscription": subscription})

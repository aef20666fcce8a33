"""Emergency stops: the list of present and recent stops; beginning a stop; ending a stop. Each act is asked about first."""

import uuid
from datetime import datetime

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from batches.console.kit.access import SignedIn, act_of, actor, requires
from batches.console.kit.lists.paging import capped, capped_count
from batches.console.kit.stop_banner import stops_shown
from batches.models import Batch, EmergencyStop, Project, Slice, Stopped
from batches.models.emergency_stop import STOP_REASON_CHARS
from batches.rules.errors import Conflict, InvalidRequest
from batches.rules.states import BatchStatus
from batches.services.core.access import Access, Right
from batches.services.insight.throughput import backlog
from batches.services.policy.emergency_stop import Place, begin_stop, end_stop, require_may_stop, seen_by
from providers.models import Provider

SHOWN_ENDED = 20
MOST_OFFERED = 500  # the most providers, and projects, in a list to choose from
PORTAL = "portal"


class PlaceForm(forms.Form):
    """The form for the kind of a stop and its place. It offers only places that the person administers."""

    what = forms.ChoiceField(label="Stop", choices=Stopped.choices, widget=forms.RadioSelect)
    place = forms.ChoiceField(label="For")

    def __init__(self, data: QueryDict | None, *, access: Access) -> None:
        super().__init__(data)
        place = self.fields["place"]
        assert isinstance(place, forms.ChoiceField)
        projects = access.projects(Right.MANAGE).order_by("slug").values_list("slug", flat=True)[:MOST_OFFERED]
        groups: list[tuple[str, object]] = [("Projects", [(f"project:{slug}", slug) for slug in projects])]
        if access.everywhere:
            names = Provider.objects.order_by("name").values_list("name", flat=True)[:MOST_OFFERED]
            groups = [
                (PORTAL, "The whole portal"),
                ("Providers", [(f"provider:{name}", name) for name in names]),
                *groups,
            ]
        place.choices = groups

    @property
    def chosen(self) -> tuple[Stopped, Place]:
        """The chosen kind and place. The form must be valid."""
        kind, _, name = self.cleaned_data["place"].partition(":")
        place = Place()
        if kind == "provider":
            place = Place(provider=Provider.objects.filter(name=name).first())
        elif kind == "project":
            place = Place(project=Project.objects.called(name))
        if kind != PORTAL and place == Place():
            raise Http404
        return Stopped(self.cleaned_data["what"]), place


class ReasonForm(forms.Form):
    """The form for the reason of a stop. Members of the affected projects can read it."""

    reason = forms.CharField(
        max_length=STOP_REASON_CHARS - 1,
        widget=forms.Textarea({"rows": 2}),
        help_text="One sentence for the tenants. They read it on every page, at waiting batches, and in the answers of the API.",
    )


@require_safe
@requires(Right.READ)
def emergency_stops(request: SignedIn) -> HttpResponseBase:
    """The present and the recent stops that concern the reader."""
    access = request.access
    ended = EmergencyStop.objects.filter(ended_at__isnull=False).select_related("provider", "project").order_by("-ended_at")
    context = {
        "stops": [(stop, _may_end(access, stop)) for stop in stops_shown(request)],
        "ended": [(stop, _may_end(access, stop)) for stop in seen_by(access, ended[:SHOWN_ENDED])],
        "may_stop": access.may_somewhere(Right.MANAGE),
    }
    return render(request, "console/emergency_stops.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def new_stop(request: SignedIn) -> HttpResponseBase:
    """Ask for the kind and the place of a stop; if the address names them, ask for confirmation. POST begins the stop."""
    now = timezone.now()
    places = PlaceForm(request.GET if "what" in request.GET or "place" in request.GET else None, access=request.access)
    if not places.is_valid():
        return render(request, "console/new_stop.html", {"form": places}, status=422 if places.is_bound else 200)
    what, place = places.chosen
    require_may_stop(request.access, place, act=act_of(request), now=now)
    form, problems = ReasonForm(request.POST if request.method == "POST" else None), list[str]()
    if form.is_valid():
        try:
            stop = begin_stop(what, place, reason=form.cleaned_data["reason"], actor=actor(request), now=now)
        except (Conflict, InvalidRequest) as error:
            problems = [error.message]
        else:
            messages.success(request, f"{stop.sentence} The stop lasts until an administrator ends it.")
            return redirect("console:emergency_stops")
    context = {
        "form": form,
        "problems": problems,
        "stop": EmergencyStop(what=what, provider=place.provider, project=place.project),
        **_reach(place, now=now),
    }
    return render(request, "console/stop.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def end_emergency_stop(request: SignedIn, stop_id: uuid.UUID) -> HttpResponseBase:
    """Ask for confirmation. POST ends the stop."""
    now, access = timezone.now(), request.access
    known = EmergencyStop.objects.select_related("provider", "project").filter(pk=stop_id)
    stop = next(iter(seen_by(access, known)), None)
    if stop is None:
        raise Http404
    place = Place(stop.provider, stop.project)
    require_may_stop(access, place, act=act_of(request), now=now, target=stop)
    if request.method == "POST" or stop.ended_at is not None:
        if stop.ended_at is None and end_stop(stop, actor=actor(request), now=now):
            messages.success(request, f"Stop ended: {stop.get_what_display().lower()} resumes for {stop.place}.")
        else:
            messages.info(request, f"This stop had already ended: {stop.get_what_display().lower()} for {stop.place}.")
        return redirect("console:emergency_stops")
    return render(request, "console/end_stop.html", {"stop": stop, **_reach(place, now=now)})


def _may_end(access: Access, stop: EmergencyStop) -> bool:
    return access.may(Right.MANAGE, stop.project_id)


def _reach(place: Place, *, now: datetime) -> dict[str, object]:
    """The number of running batches that a stop of sending would hold back, and of their waiting requests."""
    about: dict[str, object] = {"status": BatchStatus.IN_PROGRESS}
    if place.provider is not None:
        about["provider"] = place.provider
    elif place.project is not None:
        about["project"] = place.project
    running = Batch.objects.filter(**about)
    pieces = Slice.objects.filter(**{f"batch__{name}": value for name, value in about.items()})
    count = capped_count(running)
    return {"running": count, "running_told": capped(count), "waiting": backlog(pieces, now=now)}

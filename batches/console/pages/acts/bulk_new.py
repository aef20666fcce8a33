"""An act on many batches: the page that shows the act and its batches, and the order."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from batches.console.kit.access import SignedIn, requires
from batches.console.kit.lists.list_query import in_words
from batches.filters import BatchFilter
from batches.models import BulkAct, BulkOperation
from batches.rules.errors import InvalidRequest, PortalError
from batches.services.bulk.acts import Parameters, checked_parameters, read_act
from batches.services.bulk.choice import Choice, matching, these
from batches.services.bulk.create import create
from batches.services.bulk.order_form import OrderForm, question
from batches.services.bulk.preview import BulkPreview, announced, preview, words
from batches.services.core.access import Right


@dataclass(frozen=True)
class Asked:
    """The values that the list, or the page itself, sent."""

    request: SignedIn

    @property
    def data(self) -> QueryDict:
        return self.request.POST if self.request.method == "POST" else self.request.GET

    @cached_property
    def act(self) -> BulkAct:
        """Raises InvalidRequest."""
        return read_act(self.data.get("act", ""))

    @property
    def parameters(self) -> Parameters:
        """The values that the act needs to tell which batches it is possible for. Raises InvalidRequest."""
        if self.act is BulkAct.RETRY:
            return checked_parameters(self.act, error=self.data.get("error", ""))
        provider = self.data.get("provider", "")
        return checked_parameters(self.act, provider=provider) if self.act is BulkAct.REROUTE and provider else {}

    @property
    def is_order(self) -> bool:
        """Whether the question was answered."""
        return self.request.method == "POST" and "token" in self.data

    def choice(self, *, now: datetime) -> Choice:
        """The chosen batches, as they are now. Raises InvalidRequest."""
        if self.data.get("scope") == "matching":
            return matching(self.request.access, self.data.get("query", ""), now=now)
        return these(self.request.access, self.data.getlist("batch"))

    @property
    def back(self) -> str:
        """The address of the page that asked: the list, with its filter and page, or a provider's page."""
        given, own = self.data.get("back", ""), reverse("console:batches")
        is_own = given.startswith((own, reverse("console:providers")))
        return given if is_own and url_has_allowed_host_and_scheme(given, {self.request.get_host()}) else own

    @property
    def back_name(self) -> str:
        """The name of the page that asked."""
        if self.back.startswith(reverse("console:batches")):
            return "Batches"
        return self.back.partition("?")[0].strip("/").rpartition("/")[2]


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def new_bulk(request: SignedIn) -> HttpResponseBase:
    """Show what an act would do to the chosen batches, and order it after the answer."""
    asked, now = Asked(request), timezone.now()
    try:
        act, choice, parameters = asked.act, asked.choice(now=now), asked.parameters
    except InvalidRequest as error:
        messages.error(request, error.message)
        return redirect(asked.back)
    problem: PortalError | None = None
    if asked.is_order:
        try:
            operation = _ordered(asked, now=now)
        except PortalError as error:
            problem = error
        else:
            messages.success(request, _told(operation))
            return redirect(asked.back)
    shown = preview(choice, act=act, parameters=parameters, by=request.access, now=now)
    status = problem.status if problem else 200
    return render(request, "console/bulk_new.html", _context(asked, shown, problem), status=status)


def _ordered(asked: Asked, *, now: datetime) -> BulkOperation:
    """Order the operation. The filter is evaluated at the time when it was shown: `created=1h` means the hour before then."""
    order = OrderForm(asked.data).order(asked.act)
    return create(asked.choice(now=min(order.created_before, now)), order, by=asked.request.access, now=now)


def _told(operation: BulkOperation) -> SafeString:
    address = reverse("console:bulk_operation", args=[operation.pk])
    return format_html('{} <a href="{}">Watch the operation</a>', announced(operation), address)


def _context(asked: Asked, shown: BulkPreview, problem: PortalError | None) -> dict[str, object]:
    chosen = BatchFilter.asked_by(asked.request.access, QueryDict(shown.query), now=shown.created_before)
    return {
        **question(shown),
        "words": words(shown.act, shown.eligible, shown.parameters),
        "problems": [problem.message] if problem else [],
        "typed": shown.eligible if shown.has_to_be_typed and shown.can_be_ordered else None,
        "back": asked.back,
        "back_name": asked.back_name,
        "reason": asked.data.get("reason", ""),
        "priority": asked.data.get("priority", ""),
        **(in_words(chosen) if shown.query else {}),
    }

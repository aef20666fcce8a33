"""What holds for every route of the console, whoever asks and whatever they send."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BulkAct, BulkOperation, Membership, Project, Role, SavedView, Subscription
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn
from tests.console.test_access import EVERY, NAMED, PERSONAL, ROUTES, Route, label
from tests.matrix import every
from tests.notices import make_subscription

LISTS = [route for route in ROUTES if not route.names]
OWN = [route for route in EVERY if PERSONAL & {*route.names}]
LONG = "x" * 20_000
ABSURD: list[dict[str, Any]] = [
    {f"metadata.{number}": "a" for number in range(990)},
    {"status": ["failed"] * 990},
    {"project": [f"p{number}" for number in range(990)]},
    {"line": [str(number) for number in range(1, 990)], "some": "1"},
    {f"filter{number}": "1" for number in range(2000)},
    {"text": LONG, "with": LONG, "custom_id": LONG, "model": LONG, "saved": LONG, "query": LONG, "back": LONG, "remark": LONG},
    *({"after": after} for after in (LONG, "9" * 18 + "-" + "f" * 32, "f" * 32, "9" * 9, "9" * 17 + "." + "f" * 32 + ".9")),
    {"before": "-" + "9" * 18 + "-" + "f" * 32},
    {"after": "999999999999999.v1:same", "before": "none-" + "0" * 32},
    *({"round": number, "line": number, "priority": number, "max_tokens": number} for number in (str(2**64), "-1", "1e9", "٣")),
    *(
        {"created_from": moment, "created_to": moment}
        for moment in ("0001-01-01T00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00")
    ),
    {"created_from": "9999-12-31T23:59:59.999999", "created": "9999w"},
    {"text": "\0", "custom_id": "\0", "error": "\0", "with": "\0", "as": "\0", "span": "\0", "window": "\0", "from": "\0"},
    {"text": "\u202e<b>%' OR 1=1 --\U0001f643", "act": "cancel", "scope": "matching", "query": "text=%00&metadata.=&=&%ff=%ff"},
    {"max_cost": "NaN", "max_error_rate": "Infinity", "window": "9" * 19 + "h", "input_file": "file-" + "f" * 32, "from": "x"},
    {"full": ["request", "response", "answer"], "view": ["all", "active"], "sort": "-", "columns": ",,,", "verdict": "regressed"},
]


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, failed=1, pending=1, remark="Only ours")


def address(route: Route, batch: Batch, owner: User) -> str:
    """Where a route leads; what is personal is the owner's."""
    if not PERSONAL & {*route.names}:
        return route.path(batch)
    operation, _ = BulkOperation.objects.get_or_create(
        owner=owner,
        defaults={
            "actor": "user x",
            "source": "console",
            "act": BulkAct.CANCEL,
            "reason": "Only ours",
            "created_before": timezone.now(),
            "created_at": timezone.now(),
        },
    )
    view, _ = SavedView.objects.get_or_create(owner=owner, slug="only-ours", defaults={"name": "Only ours"})
    subscription = Subscription.objects.filter(owner=owner).first() or make_subscription(owner)
    values = {"operation_id": operation.pk, "slug": view.slug, "subscription_id": subscription.pk, **NAMED}
    return reverse(f"console:{route.name}", kwargs={name: values[name] for name in route.names})


@every("route", OWN, ids=label)
def test_what_is_somebodys_own_is_nobody_elses(member: SignIn, project: Project, batch: Batch, route: Route) -> None:
    owner = member(Role.OPERATOR)
    path = address(route, batch, User.objects.get())
    for other in (member(Role.ADMIN), Client()):
        for answer in (other.get(path), other.post(path)):
            assert answer.status_code in (302, 404, 405)
            assert answer.headers.get("Location", "/console/login/").startswith("/console/login/")
    assert owner.get(path).status_code in (200, 302, 405)
    Membership.objects.all().delete()
    assert owner.get(path).status_code in (403, 405)
    assert SavedView.objects.exists()


@every("route", LISTS, ids=label)
def test_a_page_about_everything_tells_nothing_of_a_foreign_project(
    member: SignIn, batch: Batch, other_project: Project, route: Route
) -> None:
    answer = member(Role.ADMIN, of=other_project).get(route.path(batch))
    content = answer.getvalue() if answer.streaming else answer.content
    for theirs in (str(batch), "Only ours", "acme", "The upstream failed"):
        assert theirs not in content.decode()


@every("route", EVERY, ids=label)
def test_a_session_ends_where_its_person_is_deactivated(member: SignIn, batch: Batch, route: Route) -> None:
    client = member(Role.ADMIN)
    path = address(route, batch, User.objects.get())
    User.objects.update(is_active=False)
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code in (302, 405)
        assert answer.headers.get("Location", "/console/login/").startswith("/console/login/")


@every("route", EVERY, ids=label)
def test_nothing_is_done_without_the_token_of_ones_own_form(operator: User, batch: Batch, route: Route) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    answer = client.post(address(route, batch, operator), {"act": "delete", "token": "x"})
    assert answer.status_code == 403
    assert "The form has expired" in answer.content.decode()


@every("route", EVERY, ids=label)
def test_every_answer_forbids_scripts_of_others_frames_and_guesses(
    console: Client, operator: User, batch: Batch, route: Route
) -> None:
    answer = console.get(address(route, batch, operator))
    if answer.streaming:
        answer.getvalue()
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/console/login/", "/console/overview/", "/console/views/new/", "/admin/login/"])
def test_a_form_with_a_large_file_is_refused_unread(db: None, settings: Settings, path: str) -> None:
    settings.FILE_UPLOAD_HANDLERS = ["tests.console.test_routes.NeverAsked"]
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "x" * 32
    assert client.post(path, {"file": SimpleUploadedFile("a", b"x" * 1001)}).status_code == 400


class NeverAsked(FileUploadHandler):
    """Fails when a file is read."""

    def receive_data_chunk(self, _raw: bytes, _start: int) -> bytes:
        raise AssertionError

    def file_complete(self, _size: int) -> None:
        raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
@every("number, route", enumerate(EVERY), ids=label)
def test_no_query_however_absurd_brings_a_page_down(
    console: Client, operator: User, batch: Batch, step: int, number: int, route: Route
) -> None:
    """Every seventh of them in the gate, beginning with another one at each page; all of them in the double run."""
    console.cookies["zone"] = "America/New_York"
    path = address(route, batch, operator)
    methods = ["GET"] if console.post(path).status_code == 405 else ["GET", "POST"]
    for query in ABSURD[number % step :: step]:
        for answer in (console.get(path, query) if method == "GET" else console.post(path, query) for method in methods):
            if answer.streaming:
                answer.getvalue()
            assert answer.status_code < 500, query

"""Who makes the calls of a batch: what it, its project or its provider asks for, and what is possible."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches.models import Batch, Project
from batches.rules.execution import Execution
from batches.services.policy.execution import (
    ASKED,
    CannotDelegate,
    chosen_at_move,
    chosen_at_start,
    chosen_at_submit,
)
from providers.models import Provider

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
DIRECT, DELEGATED, HYBRID, AUTO = Execution.DIRECT, Execution.DELEGATED, Execution.HYBRID, Execution.AUTO
NO_API = "No batch API of provider local is set up."
NOT_SERVED = f"The batch API of provider local does not serve {MESSAGES}."
NOT_ALLOWED = "Project acme does not allow its requests to be stored at a provider."
SEVERAL = "The batch API of provider local takes one model in a job, and the input asks for several."
OF_PROJECT, OF_PROVIDER = "Project acme asks for it.", "Provider local asks for it."


def project(*, may_delegate: bool = True, execution: str = "") -> Project:
    return Project(slug="acme", may_delegate=may_delegate, execution=execution)


def provider(*, jobs_family: str = "openai", execution: str = "") -> Provider:
    return Provider(name="local", jobs_family=jobs_family, execution=execution)


@pytest.mark.parametrize(
    ("asked", "of_project", "of_provider", "expected"),
    [
        ("", "", "", (DIRECT, "")),
        ("", "", "auto", (AUTO, OF_PROVIDER)),
        ("", "hybrid", "auto", (HYBRID, OF_PROJECT)),
        ("", "direct", "hybrid", (DIRECT, OF_PROJECT)),
        ("delegated", "direct", "direct", (DELEGATED, ASKED)),
        ("direct", "hybrid", "hybrid", (DIRECT, ASKED)),
        ("auto", "", "", (AUTO, ASKED)),
    ],
)
def test_the_batch_is_asked_first_then_its_project_then_its_provider(
    asked: str, of_project: str, of_provider: str, expected: tuple[Execution, str]
) -> None:
    found = chosen_at_submit(
        asked, project=project(execution=of_project), provider=provider(execution=of_provider), endpoint=CHAT
    )

    assert (found.execution, found.reason) == expected


OBSTACLES = [
    (project(), provider(jobs_family=""), CHAT, NO_API),
    (project(), provider(jobs_family="gone"), CHAT, NO_API),
    (project(), provider(), MESSAGES, NOT_SERVED),
    (project(may_delegate=False), provider(), CHAT, NOT_ALLOWED),
]


@pytest.mark.parametrize(("at", "where", "endpoint", "problem"), OBSTACLES)
def test_a_wish_that_cannot_be_met_is_refused_if_it_is_the_batchs_own(
    at: Project, where: Provider, endpoint: str, problem: str
) -> None:
    for wish in ("delegated", "hybrid"):
        with pytest.raises(CannotDelegate, match=problem):
            chosen_at_submit(wish, project=at, provider=where, endpoint=endpoint)

    found = chosen_at_submit("auto", project=at, provider=where, endpoint=endpoint)
    assert (found.execution, found.reason) == (DIRECT, problem)


@pytest.mark.parametrize(("at", "where", "endpoint", "problem"), OBSTACLES)
def test_a_wish_of_a_project_that_cannot_be_met_means_direct(at: Project, where: Provider, endpoint: str, problem: str) -> None:
    wishing = project(may_delegate=at.may_delegate, execution="hybrid")

    found = chosen_at_submit("", project=wishing, provider=where, endpoint=endpoint)

    assert (found.execution, found.reason) == (DIRECT, problem)


Make = Callable[..., Batch]


@pytest.fixture
def batch() -> Make:
    """A batch whose input is known, with a window of so many hours."""

    def make(execution: Execution, *, reason: str = ASKED, hours: float = 24, **more: Any) -> Batch:
        asked = execution if reason == ASKED else ""
        now = timezone.now()
        usual = {"project": project(), "provider": provider(), "endpoint": CHAT, "model": "m", "in_progress_at": now}
        times = {"created_at": now, "expires_at": now + timedelta(hours=hours)}
        return Batch(execution=execution, execution_reason=reason, execution_asked=asked, **(usual | times | more))

    return make


@pytest.mark.parametrize(
    ("requests", "hours", "model", "expected"),
    [
        (100, 4, "m", (HYBRID, ASKED)),
        (99, 24, "m", (DIRECT, "It has fewer than 100 requests.")),
        (2_000_000, 3.9, "m", (DIRECT, "Its completion window is too short for a batch API.")),
        (100, 24, "", (DIRECT, SEVERAL)),
    ],
)
def test_auto_is_hybrid_where_it_pays(
    batch: Make, requests: int, hours: float, model: str, expected: tuple[Execution, str]
) -> None:
    found = chosen_at_start(batch(AUTO, hours=hours), model=model, requests=requests)

    assert (found.execution, found.reason) == expected


def test_auto_is_direct_where_the_permission_went_meanwhile(batch: Make) -> None:
    found = chosen_at_start(batch(AUTO, project=project(may_delegate=False)), model="m", requests=1000)

    assert (found.execution, found.reason) == (DIRECT, NOT_ALLOWED)


@pytest.mark.parametrize("wish", [DELEGATED, HYBRID])
def test_several_models_fail_a_batch_that_asks_for_one_job_and_not_one_whose_project_does(batch: Make, wish: Execution) -> None:
    with pytest.raises(CannotDelegate, match=SEVERAL):
        chosen_at_start(batch(wish), model="", requests=5)

    found = chosen_at_start(batch(wish, reason=OF_PROJECT), model="", requests=5)
    assert (found.execution, found.reason) == (DIRECT, SEVERAL)


@pytest.mark.parametrize("wish", [DIRECT, DELEGATED, HYBRID])
def test_a_batch_that_can_run_as_it_asks_does(batch: Make, wish: Execution) -> None:
    assert chosen_at_start(batch(wish), model="m", requests=1).execution is wish


@pytest.mark.parametrize(
    ("execution", "jobs_family", "model", "begun", "expected"),
    [
        (DIRECT, "", "m", True, (DIRECT, False)),
        (DIRECT, "openai", "m", True, (DIRECT, False)),
        (DELEGATED, "openai", "m", True, (DELEGATED, False)),
        (HYBRID, "openai", "m", True, (HYBRID, False)),
        (DELEGATED, "", "m", True, (HYBRID, True)),
        (HYBRID, "", "m", True, (HYBRID, True)),
        (HYBRID, "openai", "", True, (HYBRID, True)),
        (DELEGATED, "anthropic", "", True, (HYBRID, True)),  # which does not serve the endpoint
        (AUTO, "", "", False, (DIRECT, False)),
        (DELEGATED, "openai", "", False, (DELEGATED, False)),
    ],
)
def test_a_batch_that_is_moved_goes_on_at_the_other_provider(
    batch: Make, execution: Execution, jobs_family: str, model: str, begun: bool, expected: tuple[Execution, bool]
) -> None:
    moved = batch(execution, model=model, **({} if begun else {"in_progress_at": None}))

    found = chosen_at_move(moved, provider=provider(jobs_family=jobs_family))

    assert (found.choice.execution, found.directly) == expected

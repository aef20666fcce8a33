"""Who may have requests stored at providers: projects allow it, and what is not sent yet is taken back when they do not."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import AuditEntry, Batch, Project, ProviderJob, Role
from batches.rules.errors import InvalidRequest
from batches.rules.execution import JobState, Recall
from batches.services.delegation.creating.hand_over import anything_to_hand_over, hand_over
from batches.services.policy.delegation import NO_JOBS, OpenJobs, places_for, set_delegation
from batches.services.policy.execution import CannotDelegate
from batches.services.policy.tune import tune_provider
from batches.services.upstreams.providers import add_provider
from providers.models import Provider
from tests.cast import TESTER, provider_at, request_lines, started
from tests.console.conftest import SignIn, member

__all__ = ["member"]

pytestmark = pytest.mark.django_db
HERE = "https://host.example/v1"


@pytest.fixture
def provider(db: None) -> Provider:
    return provider_at(HERE, jobs_family="openai", jobs_region="EU")


def allowed(project: Project, **settings: object) -> Project:
    found, _ = set_delegation(project, settings={"may_delegate": True, **settings}, actor=TESTER, now=timezone.now())
    return found


def handed_over(project: Project, execution: str = "delegated") -> list[ProviderJob]:
    """The two jobs of a batch: the first one runs at the provider, the second one was not sent yet."""
    batch = started(project, request_lines(2), execution=execution)
    jobs = hand_over(batch.id, now=timezone.now())
    first = ProviderJob.objects.filter(pk=jobs[0].pk)
    first.update(state=JobState.RUNNING, sent_at=timezone.now(), remote_id="job-1")
    return list(ProviderJob.objects.filter(batch=batch).order_by("first_line"))


@pytest.fixture(autouse=True)
def one_request_a_job(settings: Any) -> None:
    settings.SLICE_LINES = settings.JOB_ROWS = 1


def test_a_project_allows_nothing_at_first(project: Project, provider: Provider) -> None:
    assert (project.may_delegate, project.execution) == (False, "")
    with pytest.raises(CannotDelegate, match="does not allow"):
        started(project, request_lines(2), execution="delegated")


def test_allowing_it_is_on_record(project: Project) -> None:
    found = allowed(project, execution="hybrid")

    assert (found.may_delegate, found.execution) == (True, "hybrid")
    entry = AuditEntry.objects.get(act="set_delegation")
    assert (entry.project, entry.changes) == (project, {"may_delegate": [False, True], "execution": ["", "hybrid"]})


def test_what_is_so_already_is_no_change(project: Project) -> None:
    allowed(allowed(project))
    assert AuditEntry.objects.filter(act="set_delegation").count() == 1


@pytest.mark.parametrize(("name", "value"), [("execution", "sideways"), ("may_delegate", "perhaps"), ("slug", "other")])
def test_a_wrong_setting_is_refused_by_name(project: Project, name: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=name):
        set_delegation(project, settings={name: value}, actor=TESTER, now=timezone.now())
    assert Project.objects.get(pk=project.pk).execution == ""


def test_without_permission_running_jobs_come_home_and_others_are_taken_back(project: Project, provider: Provider) -> None:
    running, unsent = handed_over(allowed(project))

    _, jobs = set_delegation(project, settings={"may_delegate": False}, actor=TESTER, now=timezone.now())

    assert jobs == OpenJobs(unsent=1, at_provider=1)
    said = "1 job runs on at its provider and comes home. 1 job that was not sent yet is taken back."
    assert AuditEntry.objects.latest("created_at").reason == jobs.sentence == said
    running.refresh_from_db()
    unsent.refresh_from_db()
    assert (running.recall, unsent.recall) == ("", Recall.PERSON)


@pytest.mark.parametrize(("execution", "goes_on"), [("hybrid", True), ("delegated", False)])
def test_the_requests_of_a_hybrid_batch_are_sent_directly_then(
    project: Project, provider: Provider, execution: str, goes_on: bool
) -> None:
    batch = started(allowed(project), request_lines(2), execution=execution)
    set_delegation(project, settings={"may_delegate": False}, actor=TESTER, now=timezone.now())

    assert hand_over(batch.id, now=timezone.now()) == []
    assert bool(Batch.objects.get(pk=batch.pk).taken_back_at) is goes_on
    assert not anything_to_hand_over(now=timezone.now())


@pytest.mark.parametrize("family", [None, "groq"])
def test_another_batch_api_takes_unsent_jobs_back(project: Project, provider: Provider, family: str | None) -> None:
    running, unsent = handed_over(allowed(project))

    tune_provider(provider, settings={"jobs_family": family}, actor=TESTER, now=timezone.now())

    entry = AuditEntry.objects.latest("created_at")
    assert (entry.act, entry.changes) == ("tune_provider", {"jobs_family": ["openai", family or ""]})
    assert entry.reason.startswith("1 job runs on at its provider and comes home.")
    running.refresh_from_db()
    unsent.refresh_from_db()
    assert (running.recall, unsent.recall, running.family) == ("", Recall.PERSON, "openai")


@pytest.mark.parametrize(
    ("adapter", "options", "family", "named"),
    [
        ("openai", {}, "bedrock", "there are anthropic, azure"),
        ("openai", {}, "anthropic", "does not fit adapter openai, which has azure, batchyard"),
        ("anthropic", {}, "openai", "does not fit adapter anthropic, which has anthropic"),
        ("simulator", {}, "openai", "which has no batch API"),
        ("openai", {}, "azure", "needs option azure"),
        ("openai", {"azure": "v1"}, "openai", "has the family azure"),
    ],
)
def test_a_family_that_does_not_fit_is_refused(adapter: str, options: dict[str, str], family: str, named: str) -> None:
    base_url = "" if adapter == "simulator" else HERE
    provider = add_provider("up", adapter=adapter, base_url=base_url, options=options, actor=TESTER, now=timezone.now())

    with pytest.raises(InvalidRequest, match=f"jobs_family: .*{named}"):
        tune_provider(provider, settings={"jobs_family": family}, actor=TESTER, now=timezone.now())
    assert Provider.objects.get(pk=provider.pk).jobs_family == ""


@pytest.mark.parametrize(
    ("execution", "named"), [("sideways", "one of direct, delegated, hybrid, auto"), ("hybrid", "without a batch API")]
)
def test_so_is_an_execution_that_cannot_be(provider: Provider, execution: str, named: str) -> None:
    with pytest.raises(InvalidRequest, match=f"execution: .*{named}"):
        tune_provider(provider, settings={"jobs_family": None, "execution": execution}, actor=TESTER, now=timezone.now())


def test_the_place_is_shown_where_it_is_decided(project: Project, provider: Provider, other_project: Project) -> None:
    Provider.objects.create(name="hidden", adapter="openai", base_url=HERE, jobs_family="azure", granted_to_all=False)

    assert [place.sentence for place in places_for(project)] == [
        "openai: region EU, results kept for 30 days unless they are deleted before"
    ]


def test_an_admin_of_the_project_decides_in_the_admin(project: Project, provider: Provider, member: SignIn) -> None:
    client: Client = member(Role.ADMIN, is_staff=True)
    page = f"/admin/batches/project/{project.pk}/change/"
    empty = {f"{rows}-{forms}_FORMS": "0" for rows in ("memberships", "grants") for forms in ("TOTAL", "INITIAL")}

    assert "local: openai: region EU, results kept for 30 days" in client.get(page).content.decode()
    client.post(page, {**empty, "name": project.name, "may_delegate": "on", "execution": "auto"})

    found = Project.objects.get(pk=project.pk)
    assert (found.may_delegate, found.execution) == (True, "auto")
    assert AuditEntry.objects.filter(act="set_delegation", project=project).count() == 1
    assert not AuditEntry.objects.filter(act="change_project").exists()
    assert NO_JOBS.sentence == ""


def test_an_operator_of_the_project_does_not(project: Project, member: SignIn) -> None:
    client = member(Role.OPERATOR, is_staff=True)
    client.post(f"/admin/batches/project/{project.pk}/change/", {"may_delegate": "on"})
    assert not Project.objects.get(pk=project.pk).may_delegate

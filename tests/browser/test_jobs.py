"""Provider jobs to the eye: their list and pages at every width, in light and dark; ticking and taking back."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from batches.models import Batch, ProviderJob
from batches.rules.execution import IncidentCode, JobState, Recall
from batches.rules.states import BatchStatus
from providers.models import Provider, ProviderModel
from tests.browser.eyes import findings
from tests.conftest import Portal
from tests.console.conftest import MakeBatch
from tests.console.jobs import make_job

pytestmark = pytest.mark.once

NOTES = {
    IncidentCode.AMBIGUOUS: "The provider has 2 jobs that may be it: batch_68a1f0c2d4e6, batch_68a1f0c2d4e7.",
    IncidentCode.COUNTS_DIFFER: "The provider counts 2,000 succeeded and 0 failed; 1,996 results succeeded.",
    IncidentCode.MISSING_ROWS: "2,000 requests were sent, and 1,996 results came: 4 are missing.",
}
EVERY_STATE: tuple[tuple[JobState, dict[str, Any]], ...] = (
    (JobState.PREPARING, {"note": "The provider takes no further job at the moment: the queue of tokens is full.", "poll": 5}),
    (JobState.SENDING, {}),
    (JobState.UNCERTAIN, {"incident": IncidentCode.AMBIGUOUS}),
    (JobState.RUNNING, {"word": "in_progress", "reported_total": 2000, "reported_succeeded": 812, "reported_failed": 3}),
    (JobState.RUNNING, {"word": "cancelling", "recall": Recall.PERSON, "recalled_by": "user operator", "reported_total": 2000}),
    (JobState.COLLECTING, {"word": "completed", "succeeded": 1200, "reported_total": 2000, "reported_succeeded": 2000}),
    (JobState.ENDED, {"word": "completed", "succeeded": 1990, "failed": 4, "duplicates": 6, "reported_succeeded": 2000}),
    (JobState.ENDED, {"word": "expired", "ending": "expired", "succeeded": 700, "never_ran": 1300, "attempt": 2}),
    (JobState.REFUSED, {"failure": "The model gpt-5-mini-2024 is not available to batches.", "incident": IncidentCode.REFUSED}),
)


@pytest.fixture
def batch(make_batch: MakeBatch, simulator: Provider) -> Batch:
    """A running hybrid batch with a job in every state."""
    Provider.objects.filter(pk=simulator.pk).update(jobs_family="openai", max_open_jobs=20)
    ProviderModel.objects.create(provider=simulator, name="m", input_price="2.5", output_price="10")
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=3, pending=3, remark="Triage of last night's tickets")
    reason = "Project acme asks for it."
    Batch.objects.filter(pk=batch.pk).update(execution="hybrid", execution_reason=reason, taken_back_at=timezone.now())
    batch.refresh_from_db()
    for number, (state, columns) in enumerate(EVERY_STATE):
        add_job(batch, number, state, dict(columns))
    return batch


def add_job(batch: Batch, number: int, state: JobState, columns: dict[str, Any]) -> ProviderJob:
    """The job with a number, over lines of its own."""
    now = timezone.now()
    poll = columns.pop("poll", 1)
    code = columns.pop("incident", None)
    incident = IncidentCode(str(code)) if code else None
    known = (
        {}
        if state in (JobState.PREPARING, JobState.SENDING, JobState.UNCERTAIN, JobState.REFUSED)
        else {
            "remote_id": f"batch_68a1f0c2d4e8819{number:07}",
            "remote_expires_at": now + timedelta(hours=20),
        }
    )
    ended = state in (JobState.ENDED, JobState.REFUSED)
    times = {"ended_at": now, "poll_at": None} if ended else {"poll_at": now + timedelta(minutes=int(str(poll)))}
    recalled = {"recalled_at": now - timedelta(minutes=2)} if columns.get("recall") else {}
    cost = (
        {"cost_nanos": 61_000_000, "direct_cost_nanos": 122_000_000, "wasted_nanos": 1_000_000}
        if columns.get("succeeded")
        else {}
    )
    return make_job(
        batch,
        state=state,
        incident=incident,
        incident_note=NOTES.get(incident, "") if incident else "",
        **{
            "first_line": number * 2000 + 1,
            "last_line": number * 2000 + 2000,
            "created_at": now - timedelta(hours=random.Random(number).randint(1, 9)),
            "bytes": 3_400_000,
            "input_ref": f"file-68a1f0c2{number:06}",
            **known,
            **times,
            **recalled,
            **cost,
            **columns,
        },
    )


def addresses(portal: Portal, batch: Batch) -> list[str]:
    jobs = list(batch.provider_jobs.order_by("first_line"))
    doubtful, missing = (
        jobs[2],
        make_job(batch, incident=IncidentCode.MISSING_ROWS, incident_note=NOTES[IncidentCode.MISSING_ROWS]),
    )
    paths = [
        "jobs/",
        "jobs/?view=attention&state!=ended&sort=look",
        "jobs/?state=lost",
        "jobs/?view=left",
        f"batches/{batch}/jobs/",
        f"batches/{batch}/",
        "overview/",
        "providers/simulator/",
        *(f"jobs/{job.pk}/" for job in jobs),
        *(f"jobs/{doubtful.pk}/{word}/" for word in ("adopt", "recreate", "leave", "recall")),
        f"jobs/{missing.pk}/incidents/missing_rows/",
    ]
    return [f"{portal.url}/console/{path}" for path in paths]


def test_every_page_about_jobs_can_be_read_and_is_no_wider_than_its_window(desk: Page, portal: Portal, batch: Batch) -> None:
    assert findings(desk, addresses(portal, batch)) == []


def test_jobs_are_ticked_and_taken_back(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.goto(f"{portal.url}/console/jobs/?state=running")
    desk.locator("[data-select]").first.check()
    desk.get_by_role("button", name="Take back…").click()
    expect(desk.get_by_role("heading", level=1)).to_contain_text("provider job")
    desk.go_back()
    desk.locator("[data-select-page]").check()
    desk.get_by_role("button", name="Take back…").click()
    expect(desk.get_by_text("being taken back already")).to_be_visible()
    desk.get_by_label("Why?").fill("Their outage")
    desk.get_by_role("button", name="Take back: 1 job").click()
    expect(desk.get_by_text("1 provider job taken back.")).to_be_visible()
    assert ProviderJob.objects.filter(recall=Recall.PERSON).count() == 2

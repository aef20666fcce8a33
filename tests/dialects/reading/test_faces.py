"""One batch, seen through every face at each step of its life: who can show it shows what its contract has a word for."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.utils import timezone

from batches.dialects.bifrost import inbound as bifrost_inbound
from batches.dialects.bifrost import outbound as bifrost
from batches.models import Batch, Project, Slice
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from batches.services.intake.submit import submit
from providers.models import Provider
from tests.cast import CHAT, TESTER, asked, stored
from tests.dialects.conformance import FACES, STEPS, Face
from tests.dialects.openai.conftest import Api

MESSAGES = "/v1/messages"
INVOICES = "/accounting/v1/invoices"
FINALIZED = (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING)
COMPLETED = (*FINALIZED, BatchStatus.COMPLETED)

# How a batch gets to each step of its life, and its columns there.
WAYS: dict[str, tuple[tuple[BatchStatus, ...], dict[str, Any]]] = {
    "validating": ((), {}),
    "running": ((BatchStatus.IN_PROGRESS,), {}),
    "throttled": (
        (BatchStatus.IN_PROGRESS,),
        {"throttled_until": timezone.now() + timedelta(days=1), "throttled_reason": "429"},
    ),
    "finalizing": (FINALIZED, {}),
    "cancelling": ((BatchStatus.CANCELLING,), {}),
    "all succeeded": (COMPLETED, {"total": 2, "succeeded": 2}),
    "some failed": (COMPLETED, {"total": 2, "succeeded": 1, "failed": 1}),
    "all failed": (COMPLETED, {"total": 2, "failed": 2}),
    "rejected": ((BatchStatus.FAILED,), {}),
    "cancelled": ((BatchStatus.CANCELLING, BatchStatus.CANCELLED), {"total": 3, "succeeded": 1, "cancelled": 2}),
    "expired": ((*FINALIZED, BatchStatus.EXPIRED), {"total": 2, "expired": 2}),
}


def at(step: str, project: Project, *, endpoint: str) -> Batch:
    """A batch at this step of its life."""
    now = timezone.now()
    batch = submit(asked(project, endpoint=endpoint), input_file=stored(project, b"{}\n"), actor=TESTER, now=now)
    path, changes = WAYS[step]
    for status in path[:-1]:
        batch = transition(batch, status, actor=ENGINE, now=now)
    return transition(batch, path[-1], actor=ENGINE, now=now, **changes) if path else batch


@pytest.fixture
def faces(key: str, simulator: Provider) -> dict[str, Face]:
    """A client of `project` in every dialect."""
    return {name: face(key) for name, face in FACES.items()}


def word(faces: dict[str, Face], name: str, batch: Batch) -> str:
    """The batch's status as this face shows it."""
    answer = faces[name].read(str(batch))
    assert answer.status == 200, answer.content
    return str(answer.json["processing_status" if name == "anthropic" else "status"])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("endpoint", "missing"), [(CHAT, {"anthropic", "merge"}), (MESSAGES, {"merge"}), (INVOICES, {"anthropic"})]
)
def test_every_face_that_can_express_a_batch_has_its_own_word_for_where_it_is(
    faces: dict[str, Face], project: Project, step: str, endpoint: str, missing: set[str]
) -> None:
    batch = at(step, project, endpoint=endpoint)
    expected = {name: face.word(step) for name, face in FACES.items() if name not in missing}
    if endpoint == MESSAGES and batch.status == BatchStatus.COMPLETED:
        expected["bifrost"] = "ended"
    assert {name: word(faces, name, batch) for name in FACES if name not in missing} == expected


@pytest.mark.parametrize(
    ("endpoint", "missing"), [(CHAT, {"anthropic", "merge"}), (MESSAGES, {"merge"}), (INVOICES, {"anthropic"})]
)
def test_a_face_that_cannot_express_a_batch_names_one_that_can(
    faces: dict[str, Face], project: Project, endpoint: str, missing: set[str]
) -> None:
    batch = at("running", project, endpoint=endpoint)
    for name in missing:
        answer = faces[name].read(str(batch))
        assert answer.status == 404
        assert f"/v1/batches/{batch}" in faces[name].problem(answer)
        if faces[name].lists:
            assert faces[name].listed(limit=10) == ([], None)


@pytest.mark.parametrize(
    ("step", "openai", "bifrost_counts"),
    [
        ("validating", (0, 0, 0), {}),
        ("some failed", (2, 1, 1), {"failed": 1, "succeeded": 1}),
        ("cancelled", (3, 1, 2), {"failed": 0, "succeeded": 1, "canceled": 2}),
        ("expired", (2, 0, 2), {"failed": 0, "expired": 2}),
    ],
)
def test_counts_are_told_in_each_contracts_way(
    faces: dict[str, Face], project: Project, step: str, openai: tuple[int, int, int], bifrost_counts: dict[str, int]
) -> None:
    batch = at(step, project, endpoint=MESSAGES)
    total, completed, failed = openai
    three = {"total": total, "completed": completed, "failed": failed}
    assert faces["openai"].shown(str(batch))["request_counts"] == three
    novita = faces["novita"].shown(str(batch))
    assert novita["request_counts"] == {name: novita[name] for name in three} == three
    expected = {"total": total, "completed": completed, "failed": 0} | bifrost_counts
    assert faces["bifrost"].shown(str(batch))["request_counts"] == expected
    anthropic = faces["anthropic"].read(str(batch)).json["request_counts"]
    assert sum(anthropic.values()) == total


def test_what_is_pending_is_told_by_bifrost_while_a_batch_runs(faces: dict[str, Face], project: Project) -> None:
    batch = at("running", project, endpoint=MESSAGES)
    Slice.objects.create(
        batch=batch, first_line=1, last_line=5, input_start=0, input_end=9, total=5, pending=3, succeeded=1, failed=1
    )
    shown = faces["bifrost"].shown(str(batch))
    assert shown["request_counts"] == {"total": 5, "completed": 1, "failed": 1, "succeeded": 1, "pending": 3}
    assert (shown["progress"], shown["done"]) == (40, False)
    assert faces["novita"].shown(str(batch))["request_counts"] == {"total": 5, "completed": 1, "failed": 1}
    assert faces["anthropic"].read(str(batch)).json["request_counts"]["processing"] == 5


def status_maps() -> dict[str, dict[BatchStatus, str]]:
    """The maps from a status to a word in the modules that show batches, by their names."""
    return {
        f"{name}.{variable}": value
        for name in FACES
        for variable, value in vars(import_module(f"batches.dialects.{name}.outbound")).items()
        if isinstance(value, dict) and value and all(isinstance(key, BatchStatus) for key in value)
    }


def test_every_status_has_a_word_in_every_dialect() -> None:
    assert {name.partition(".")[0] for name in status_maps()} >= {"anthropic", "bifrost", "merge", "novita"}
    assert {name: set(BatchStatus) - set(words) for name, words in status_maps().items() if set(words) != set(BatchStatus)} == {}


def test_every_word_that_bifrost_shows_finds_the_batches_that_it_is_shown_for(
    key: str, project: Project, simulator: Provider
) -> None:
    made = [at(step, project, endpoint=endpoint) for step in STEPS for endpoint in (CHAT, MESSAGES)]
    api = Api(key)
    find: Callable[[str], Any] = lambda query: api.get(f"/bifrost/v1/batches?provider=simulator&limit=100{query}").json["data"]  # noqa: E731
    everything = find("")
    assert len(everything) == len(made)
    for shown in {batch["status"] for batch in everything}:
        assert find(f"&status={shown}") == [batch for batch in everything if batch["status"] == shown]
    assert find("&status=cancelled") == find("&status=canceled") != []
    assert find("&status=canceling") == find("&status=cancelling") != []
    assert set(bifrost.STATUSES.values()) <= set(bifrost_inbound.STATUSES)

"""No client notices that the result rows of its batch were pruned, until the files are gone too."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Dialect, File, Project
from batches.rules.states import ObjectStatus
from batches.services.results.attempts import tries
from batches.services.results.results import request_lines, result_of, results, settled_results
from providers.models import Provider
from tests.dialects.merge.conftest import Merge
from tests.dialects.openai.conftest import Answer, Api
from tests.services.pruned import LINES, mixed, prune_rows

MESSAGES, INVOICES, CHAT = "/v1/messages", "/accounting/v1/invoices", "/v1/chat/completions"

LATENCY = re.compile(rb'"latency":\d+')  # of the call itself
# How the results of a batch of this endpoint are read, by dialect.
READ: dict[str, tuple[str, Callable[[str, Batch], Answer]]] = {
    "openai": (CHAT, lambda key, batch: Api(key).get(f"/v1/batches/{batch}/results?limit=1000&include=request")),
    "openai, a page": (CHAT, lambda key, batch: Api(key).get(f"/v1/batches/{batch}/results?limit=3&after=4")),
    "novita": (CHAT, lambda key, batch: Api(key).get(f"/openai/v1/batches/{batch}")),
    "bifrost": (CHAT, lambda key, batch: Api(key).get(f"/bifrost/v1/batches/{batch}/results?provider=simulator")),
    "anthropic": (MESSAGES, lambda key, batch: Api(key).get(f"/v1/messages/batches/{batch}/results")),
    "merge": (INVOICES, lambda key, batch: Merge(key).read(str(batch.pk))),
    "native": (CHAT, lambda key, batch: Api(key).get(f"/api/v1/batches/{batch}/results?include=request")),
    "native, an object": (CHAT, lambda key, batch: Api(key).get(f"/api/v1/batches/{batch}/objects/2")),
}
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def read(
    key: str, project: Project, simulator: Provider, settings: Settings
) -> Callable[[str], tuple[Batch, Callable[[], Answer]]]:
    """A batch that one dialect reads, and how."""
    simulator.options = {"endpoints": [CHAT, MESSAGES, INVOICES]}
    simulator.save()

    def of(name: str) -> tuple[Batch, Callable[[], Answer]]:
        endpoint, get = READ[name]
        dialect = {MESSAGES: Dialect.ANTHROPIC, INVOICES: Dialect.MERGE}.get(endpoint, Dialect.OPENAI)
        batch = mixed(project, settings, endpoint=endpoint, dialect=dialect)
        return batch, lambda: get(key, batch)

    return of


@pytest.mark.parametrize("name", READ)
def test_every_face_answers_as_before(read: Callable[[str], tuple[Batch, Callable[[], Answer]]], name: str) -> None:
    batch, get = read(name)
    before = get()
    assert before.status == 200, before.content
    prune_rows(batch)
    assert LATENCY.sub(b"", get().content) == LATENCY.sub(b"", before.content)


@pytest.mark.parametrize("name", ["openai", "bifrost", "anthropic", "native"])
def test_results_are_gone_when_the_files_are(read: Callable[[str], tuple[Batch, Callable[[], Answer]]], name: str) -> None:
    batch, get = read(name)
    prune_rows(batch)
    File.objects.filter(purpose="batch_output").update(purged_at=timezone.now())
    answer = get()
    assert answer.status == 404
    assert b"no longer kept" in answer.content


def test_a_lineage_is_gone_when_the_files_are(
    read: Callable[[str], tuple[Batch, Callable[[], Answer]]], key: str, operator: User
) -> None:
    batch, _ = read("native")
    prune_rows(batch)
    File.objects.filter(purpose="batch_output").update(purged_at=timezone.now())
    answer = Api(key).get(f"/api/v1/batches/{batch}/lineage/results.jsonl")
    assert answer.status == 404
    browser = Client()
    browser.force_login(operator)
    assert browser.get(f"/console/batches/{batch}/export/?scope=lineage").status_code == 410


def test_merge_tells_how_each_object_went_also_when_the_files_are_gone(
    read: Callable[[str], tuple[Batch, Callable[[], Answer]]],
) -> None:
    batch, get = read("merge")
    before = get().json
    prune_rows(batch)
    File.objects.filter(purpose="batch_output").update(purged_at=timezone.now())
    after = get().json
    for item in before["objects"]:
        item["response"]["merge_common_model_id"] = None
    assert after == before


def test_an_object_is_shown_without_its_answer_when_the_files_are_gone(
    read: Callable[[str], tuple[Batch, Callable[[], Answer]]],
) -> None:
    batch, get = read("native, an object")
    before = get().json
    assert before["response"]["status_code"] == 400
    prune_rows(batch)
    File.objects.filter(purpose="batch_output").update(purged_at=timezone.now())
    assert get().json == before | {"response": None}


def test_the_console_shows_objects_as_before(project: Project, settings: Settings, operator: User, client: Client) -> None:
    client.force_login(operator)
    batch = mixed(project, settings)
    addresses = [f"/console/batches/{batch}/lines/{line}/" for line in (1, 2, 3, LINES)]
    address = f"/console/batches/{batch}/export/"
    before = [_main(client.get(each).content) for each in addresses], b"".join(client.get(address))
    prune_rows(batch)
    assert [_main(client.get(each).content) for each in addresses] == before[0]
    assert b"".join(client.get(address)) == before[1]
    File.objects.filter(purpose="batch_output").update(purged_at=timezone.now())
    assert b"no longer kept" in client.get(addresses[0]).content


def _main(page: bytes) -> bytes:
    """The part of a page that is about its batch."""
    return page.partition(b"<main")[2].partition(b"</main>")[0]


@pytest.mark.parametrize("after", range(LINES + 1))
def test_pages_are_cut_in_the_same_places(project: Project, settings: Settings, after: int) -> None:
    batch = mixed(project, settings)
    sizes = [(1, 10**6), (3, 10**6), (100, 10**6), (100, 1), (100, 150)]
    pages = [settled_results(batch, after_line=after, limit=limit, max_chars=chars) for limit, chars in sizes]
    batch = prune_rows(batch)
    assert [settled_results(batch, after_line=after, limit=limit, max_chars=chars) for limit, chars in sizes] == pages


def test_a_batch_that_was_read_before_the_pruning_is_read_on(project: Project, settings: Settings) -> None:
    batch = mixed(project, settings)
    expected = list(results(batch))
    walk = results(batch, first_page=2)
    begun = [next(walk), next(walk)]
    prune_rows(batch)
    assert batch.results_pruned_at is None, "nobody has told this one"
    assert begun + list(walk) == expected


def test_attempts_are_told_from_what_is_left(project: Project, settings: Settings) -> None:
    batch = mixed(project, settings)
    before = [tries(batch, line) for line in range(1, LINES + 1)]
    pruned = prune_rows(batch)
    assert [tries(pruned, line) for line in range(1, LINES + 1)] == before


def test_an_object_that_never_ran_needs_no_file(project: Project, settings: Settings) -> None:
    batch = prune_rows(mixed(project, settings))
    File.objects.update(purged_at=timezone.now())
    last = batch.batch_objects.get(line=LINES)
    assert last.status == ObjectStatus.CANCELLED
    assert result_of(last).error_code == "batch_cancelled"
    assert request_lines(batch, first_line=LINES + 1, last_line=LINES + 9) == {}

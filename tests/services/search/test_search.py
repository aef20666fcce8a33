"""What a search finds, for whom, and where it stops; on both databases."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from batches.models import ApiKey, Attempt, Batch, BatchObject, BatchResult, BulkAct, BulkOperation, ErrorGroup, Project, Role
from batches.rules.lines.jsonl import result_id
from batches.services.insight.withheld import WITHHELD
from batches.services.search import batches_found, requests_found
from batches.services.search.found import FileFound, Found, Hit, HitKind, Reason, key_of
from batches.services.search.scope import Scope, scope_of_key
from batches.services.search.search import FINDERS, search
from batches.services.search.words import has_word_index
from batches.services.storage.store import hide
from providers.models import Provider, ProviderModel
from tests.cast import TESTER
from tests.console.conftest import MakeBatch
from tests.services.search.conftest import member

pytestmark = [pytest.mark.both, pytest.mark.django_db]

NOBODY_HAS_IT = "nothing-like-it"


@pytest.fixture
def stranger(other_project: Project) -> Scope:
    """An admin of another project, which may use the same provider."""
    return member(other_project, Role.ADMIN)


def hits(found: Found, kind: HitKind) -> list[Hit]:
    return [hit for section in found.sections if section.kind is kind for hit in section.hits]


def keys(found: Found, kind: HitKind) -> list[object]:
    return [key_of(hit.row) for hit in hits(found, kind)]


def only(found: Found, kind: HitKind, reason: Reason) -> Hit:
    """The one hit, of which nothing else was found."""
    assert [section.kind for section in found.sections] == [kind]
    (hit,) = hits(found, kind)
    assert hit.reason is reason
    return hit


def test_every_kind_has_a_finder() -> None:
    assert list(FINDERS) == list(HitKind)


def test_a_batch_is_found_by_its_id_and_leads_straight_there(scope: Scope, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    make_batch(succeeded=1)
    for text in (str(batch), f"msgbatch_{batch.pk.hex}", str(batch.pk), str(batch.pk).upper()):
        found = search(text, scope, limit=5)
        assert only(found, HitKind.BATCH, Reason.ID).row == batch
        assert found.only_one is not None


def test_the_beginning_of_an_id_finds_the_batches_of_that_time_and_leads_nowhere(scope: Scope, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    found = search(f"batch_{batch.pk.hex[:13]}", scope, limit=5)
    assert batch.pk in keys(found, HitKind.BATCH)
    assert found.only_one is None


def test_o13_a_custom_id_is_found_with_its_batch_and_line(scope: Scope, make_batch: MakeBatch) -> None:
    """O13: the search said "no batch", and the custom_id was one of twelve filters."""
    batch = make_batch(succeeded=2, failed=1)
    BatchObject.objects.filter(batch=batch, line=2).update(custom_id="order/2026-7?x=1")
    row = only(search("order/2026-7?x=1", scope, limit=5), HitKind.REQUEST, Reason.CUSTOM_ID).row
    assert isinstance(row, BatchObject)
    assert (row.batch, row.line) == (batch, 2)


def test_a_custom_id_of_several_batches_is_shown_for_the_newest_first(scope: Scope, make_batch: MakeBatch) -> None:
    made = [make_batch(succeeded=1, created_at=timezone.now() - timedelta(hours=age)) for age in (3, 2, 1)]
    found = search("a-1", scope, limit=2)
    assert [hit.row.batch_id for hit in hits(found, HitKind.REQUEST)] == [made[2].pk, made[1].pk]  # type: ignore[union-attr]
    assert found.sections[0].more
    assert found.only_one is None


def test_a_custom_id_of_many_batches_is_looked_for_in_the_newest_which_is_told(
    scope: Scope, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [make_batch(succeeded=1, created_at=timezone.now() - timedelta(hours=age)) for age in (4, 3, 2, 1)]
    BatchObject.objects.filter(batch__in=made[2:]).update(custom_id="b")
    monkeypatch.setattr(requests_found, "MOST_SAME", 1)
    monkeypatch.setattr(requests_found, "NEWEST", 3)
    (section,) = search("a-1", scope, limit=5).sections
    assert [hit.row.batch_id for hit in section.hits] == [made[1].pk]  # type: ignore[union-attr]
    assert section.bound == "Only the newest 3 batches were looked through."
    monkeypatch.setattr(requests_found, "NEWEST", 10)
    (section,) = search("a-1", scope, limit=5).sections
    assert (len(section.hits), section.bound) == (2, "")


def test_o13_a_request_is_found_by_every_id_that_a_log_may_have(scope: Scope, make_batch: MakeBatch) -> None:
    """O13: neither the provider's request ids nor the portal's own were searched."""
    batch = make_batch(succeeded=2)
    BatchResult.objects.filter(batch=batch, line=1).update(request_id="req-of-answer")
    attempt = Attempt(batch=batch, line=2, round=1, number=1, kind="timeout", answered=False, request_id="req-of-attempt")
    attempt.latency_ms, attempt.retry_at, attempt.created_at = 1, timezone.now(), timezone.now()
    attempt.save()
    first, second = BatchObject.objects.filter(batch=batch).order_by("line")
    for text, row, reason in (
        ("req-of-answer", first, Reason.REQUEST_ID),
        ("req-of-attempt", second, Reason.REQUEST_ID),
        (f"{batch.pk.hex}.2-1-0", second, Reason.REQUEST_ID),
        (result_id(first.pk), first, Reason.ID),
        (str(second.pk), second, Reason.ID),
    ):
        assert only(search(text, scope, limit=5), HitKind.REQUEST, reason).row == row


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("team=search", True),
        ("metadata.team=search", True),
        ("team=sea", False),
        ("search=team", False),
        ("Nightly", True),
        ("eval night", True),
        ("v2 search", True),
        ("ightly", False),
        ("nightly nothing", False),
        ("'nightly' & !eval", True),
        ("ümläut", True),
        ("🙃", None),  # no word of an index
    ],
)
def test_batches_are_found_by_metadata_and_by_words(scope: Scope, make_batch: MakeBatch, text: str, found: bool | None) -> None:
    batch = make_batch(remark="Nightly-eval_v2, Ümläut", metadata={"team": "search", "sign": "="})
    make_batch(remark="Weekly", metadata={"team": "ads"})
    made = keys(search(text, scope, limit=5), HitKind.BATCH)
    assert made == ([batch.pk] if found else [])


@pytest.mark.parametrize("text", ["team=search", "nightly"])
def test_old_batches_are_found_by_the_index_or_it_is_told_that_they_were_not_looked_through(
    scope: Scope, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    old = make_batch(remark="Nightly", metadata={"team": "search"}, created_at=timezone.now() - timedelta(days=1))
    make_batch(remark="New"), make_batch(remark="Newer")
    monkeypatch.setattr(batches_found, "NEWEST", 2)
    monkeypatch.setattr(batches_found, "NEWEST_WITHOUT_INDEX", 2)
    (section,) = search(text, scope, limit=5).sections
    if has_word_index():
        assert ([hit.row for hit in section.hits], section.bound) == ([old], "")
    else:
        assert (section.hits, section.bound) == ([], "Only the newest 2 batches were looked through.")


def test_error_groups_are_found_by_fingerprint_and_words(scope: Scope, make_batch: MakeBatch) -> None:
    make_batch(failed=1)
    group = ErrorGroup.objects.get()
    assert only(search(group.fingerprint, scope, limit=5), HitKind.ERROR_GROUP, Reason.ID).row == group
    assert only(search("upstream fail", scope, limit=5), HitKind.ERROR_GROUP, Reason.MESSAGE).row == group
    assert not search("upstream succeeded", scope, limit=5).total


def test_messages_are_searched_only_for_readers_of_bodies(project: Project, make_batch: MakeBatch, settings: Settings) -> None:
    """A message may quote a request, so that a reader could guess one word after the other."""
    settings.BODIES_ROLE = "operator"
    make_batch(failed=1)
    viewer = member(project, Role.VIEWER)
    assert not search("upstream", viewer, limit=5).total
    (hit,) = hits(search("v1:same", viewer, limit=5), HitKind.ERROR_GROUP)
    assert isinstance(hit.row, ErrorGroup)
    assert hit.row.message.endswith(WITHHELD)


def test_files_providers_models_and_operations_are_found(scope: Scope, make_batch: MakeBatch, simulator: Provider) -> None:
    batch = make_batch(succeeded=1)
    Batch.objects.filter(pk=batch.pk).update(model="acme/gpt-9")
    ProviderModel.objects.create(provider=simulator, name="gpt-9-mini")
    by = User.objects.get(username="operator of acme")
    about = {"source": "console", "act": BulkAct.PAUSE, "created_before": timezone.now(), "created_at": timezone.now()}
    own = BulkOperation.objects.create(owner=by, actor="user x", **about)
    file = only(search(str(batch.input_file), scope, limit=5), HitKind.FILE, Reason.ID).row
    assert file == FileFound(batch.input_file, batch)  # type: ignore[arg-type]
    assert only(search("simul", scope, limit=5), HitKind.PROVIDER, Reason.NAME).row == simulator
    assert keys(search("GPT-9", scope, limit=5), HitKind.MODEL) == ["gpt-9-mini", "acme/gpt-9"]
    assert only(search(str(own.pk), scope, limit=5), HitKind.OPERATION, Reason.ID).row == own


def everything_of(batch: Batch) -> list[str]:
    """Every text that names something of this batch."""
    row = BatchObject.objects.filter(batch=batch).earliest("line")
    texts = [str(batch), batch.pk.hex[:12], str(batch.input_file), str(row.pk), row.custom_id, "of-this-project"]
    return [*texts, f"{batch.pk.hex}.1-1-0", "team=secret-team", "Confidential", "v1:same", "upstream failed", "secret-model"]


@pytest.fixture
def secret(make_batch: MakeBatch) -> Batch:
    """A batch whose every text can be searched for."""
    batch = make_batch(remark="Confidential", metadata={"team": "secret-team"}, failed=1, succeeded=1)
    Batch.objects.filter(pk=batch.pk).update(model="secret-model")
    BatchResult.objects.filter(batch=batch, line=1).update(request_id="of-this-project")
    return batch


def test_what_belongs_to_others_is_not_there_at_all(scope: Scope, stranger: Scope, other_project: Project, secret: Batch) -> None:
    other_key, _ = ApiKey.issue(project=other_project, name="other")
    nothing = search(NOBODY_HAS_IT, stranger, limit=5)
    assert nothing == Found()
    for text in everything_of(secret):
        assert search(text, scope, limit=5).total, text
        assert search(text, stranger, limit=5) == nothing, text
        assert search(text, scope_of_key(other_key, now=timezone.now()), limit=5) == nothing, text


def test_a_key_finds_what_its_projects_clients_see(project: Project, make_batch: MakeBatch, secret: Batch) -> None:
    key, _ = ApiKey.issue(project=project, name="own")
    now = timezone.now()
    for text in everything_of(secret):
        assert search(text, scope_of_key(key, now=now), limit=5).total, text
    Batch.objects.filter(pk=secret.pk).update(deleted_at=now)
    assert secret.input_file is not None
    hide(secret.input_file, actor=TESTER, now=now)
    gone = {"v1:same", "upstream failed"}  # groups outlive their batches
    for text in [text for text in everything_of(secret) if text not in gone]:
        assert not search(text, scope_of_key(key, now=now), limit=5).total, text

"""One object is sent again with another request: in a child batch of its own, under the same custom_id."""

import json

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Dialect, File, Project
from batches.rules.errors import Gone, InvalidRequest, LostRace
from batches.rules.states import Act
from batches.services.retry.child import AlreadyRetried, NothingToRetry
from batches.services.retry.lineage import lineage, merged_results
from batches.services.retry.order import PLAIN, RetryOrder
from batches.services.retry.resend import BadEdit, resend
from batches.services.retry.retry import NotRetryable, Retried, RetryMode
from batches.services.storage.store import hide
from providers.models import Provider
from tests.cast import TESTER, request_lines, started, statuses
from tests.rounds import again, at, completed, lines_of, run, validated

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

BODY = '{"model": "m", "n": "another", "seed": 1}'


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """Four objects in two slices, of which the first and the last failed; it has ended."""
    settings.SLICE_LINES = 2
    return completed(started(project, request_lines(4)), odd={1, 4})


def sent(batch: Batch, line: int = 4, body: str = BODY, order: RetryOrder = PLAIN) -> Retried:
    return resend(batch, line=line, body=body, actor=TESTER, now=timezone.now(), order=order)


def test_an_edited_request_is_a_child_batch_of_this_object_alone(batch: Batch) -> None:
    done = sent(batch, order=RetryOrder(reason="A typo."))
    assert (done.mode, done.retried, done.skipped, done.batch.parent) == (RetryMode.CHILD, 1, 0, batch)
    (line,) = lines_of(done.batch.input_file)
    parents = json.loads(lines_of(batch.input_file)[3])
    assert json.loads(line) == parents | {"body": json.loads(BODY)}
    assert statuses(validated(done.batch)) == {"row-4": "pending"}


def test_the_timeline_tells_what_is_different_and_nothing_that_is_in_it(batch: Batch) -> None:
    child = sent(batch, body='{"model": "m", "n": "my secret"}', order=RetryOrder(reason="A typo.")).batch
    event = batch.events.get(act=Act.RETRIED)
    assert event.note == f"1 object in {child}. Edited: changed n. A typo."
    assert (event.actor, event.source) == ("tester", "api")


def test_what_came_of_it_is_read_with_the_rest_of_the_lineage(batch: Batch) -> None:
    child = completed(validated(sent(batch).batch))
    found = [(one.root_line, one.batch == child, one.result.status) for one in merged_results(lineage(batch))]
    assert found == [(1, False, "failed"), (2, False, "succeeded"), (3, False, "succeeded"), (4, True, "succeeded")]


def test_a_request_without_method_and_url_stays_so(project: Project) -> None:
    content = b'{"custom_id": "a", "body": {"model": "m"}}\n'
    batch = started(project, content.replace(b'"body"', b'"method": "POST", "url": "/v1/chat/completions", "body"'))
    batch = completed(batch, odd={1})
    Batch.objects.filter(pk=batch.pk).update(dialect=Dialect.NOVITA)
    assert batch.input_file is not None
    with batch.input_file.content.storage.open(str(batch.input_file.content.name), "wb") as file:
        file.write(content)
    child = sent(Batch.objects.get(pk=batch.pk), line=1).batch
    assert lines_of(child.input_file) == [b'{"custom_id":"a","body":{"model":"m","n":"another","seed":1}}']


def test_it_may_go_to_another_provider(batch: Batch) -> None:
    Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)
    assert sent(batch, order=RetryOrder(provider_name="other")).batch.provider.name == "other"


def test_what_no_input_line_may_have_is_refused_and_nothing_is_kept(batch: Batch) -> None:
    files = File.objects.count()
    with pytest.raises(BadEdit, match=r"body\.model is missing"):
        sent(batch, body='{"n": 1}')
    assert (File.objects.count(), lineage(batch)) == (files, [batch])


def test_what_succeeded_here_or_in_the_lineage_is_not_sent_again(batch: Batch) -> None:
    with pytest.raises(NothingToRetry):
        sent(batch, line=2)
    completed(validated(sent(batch).batch))
    with pytest.raises(AlreadyRetried):
        sent(batch)


def test_a_batch_that_runs_is_retried_as_it_is(project: Project) -> None:
    batch = started(project, request_lines(2))
    run(batch, odd={1}, keep={2})
    with pytest.raises(NotRetryable):
        sent(batch, line=1)


def test_a_line_that_there_is_not_or_is_no_longer_kept_is_refused(batch: Batch) -> None:
    with pytest.raises(InvalidRequest):
        sent(batch, line=9)
    assert batch.input_file is not None
    hide(batch.input_file, actor=TESTER, now=timezone.now())
    with pytest.raises(Gone):
        sent(batch)


def test_who_saw_an_older_version_of_the_batch_is_told_so(batch: Batch) -> None:
    version = batch.version
    validated(again(Batch.objects.get(pk=batch.pk), at(1)).batch)
    files = File.objects.count()
    with pytest.raises(LostRace):
        sent(batch, order=RetryOrder(version=version))
    assert (File.objects.count(), len(lineage(batch))) == (files, 2)
    assert sent(batch, order=RetryOrder(version=Batch.objects.get(pk=batch.pk).version)).retried == 1

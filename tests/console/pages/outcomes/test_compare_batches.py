"""Two batches compared, and two answers."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils.http import urlencode
from pytest_django import Settings

from batches.console.pages.outcomes.compare_batches import TONES
from batches.models import Batch, BatchObject, BatchResult, Membership, Project, Role
from batches.rules.states import BatchStatus
from batches.services.results.compare import Verdict
from tests.console.conftest import MakeBatch, SignIn


def address(first: Batch, second: Batch | str, page: str = "", **more: str) -> str:
    return f"/console/batches/{first}/compare/{page}?{urlencode({'with': str(second), **more})}"


@pytest.fixture
def two(make_batch: MakeBatch) -> tuple[Batch, Batch]:
    """The first has lines 1 and 2 good and 3 bad; the second 1 good, 2, 3 and 4 bad."""
    first = make_batch(succeeded=2, failed=1, remark="Before", body='{"b": 1, "a": "red"}')
    second = make_batch(succeeded=1, failed=3, remark="After", body='{"a": "blue", "b": 1}')
    return first, second


def test_tiles_count_and_the_table_shows_what_differs(console: Client, two: tuple[Batch, Batch]) -> None:
    answer = console.get(address(*two))
    tiles = {tile.label: tile.count for tile in answer.context["tiles"]}
    assert tiles == {"Regressed": 1, "Failed in both": 1, "Only in the second": 1, "Succeeded in both": 1}
    assert [row.pair.custom_id for row in answer.context["rows"]] == ["a-2", "a-3", "a-4"]
    page = answer.content.decode()
    assert "Before" in page
    assert "After" in page


def test_a_tile_filters_the_table_and_the_filter_is_in_the_address(console: Client, two: tuple[Batch, Batch]) -> None:
    answer = console.get(address(*two, verdict="both_fine"))
    assert [row.pair.custom_id for row in answer.context["rows"]] == ["a-1"]
    assert 'aria-current="true"' in answer.content.decode()
    assert "No pair has this outcome" in console.get(address(*two, verdict="fixed")).content.decode()


def test_pages_follow_one_another_and_each_asks_as_much(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    first, second = make_batch(succeeded=60), make_batch(failed=70)
    page = console.get(address(first, second))
    assert (len(page.context["rows"]), page.context["after"]) == (50, "first-50")
    rest = console.get(address(first, second, after="first-50"))
    assert len(rest.context["rows"]) == 20
    assert rest.context["rows"][-1].pair.verdict == Verdict.ONLY_SECOND
    assert "First page" in rest.content.decode()
    small = make_batch(failed=3)
    asked = count_queries(lambda: console.get(address(first, second)))
    assert asked == count_queries(lambda: console.get(address(first, small))) < 15


@pytest.mark.parametrize("query", [{"verdict": "worse"}, {"after": "x"}, {"after": "\x00"}, {"verdict": "\x00"}])
def test_what_is_not_understood_is_said_and_nothing_is_shown(
    console: Client, two: tuple[Batch, Batch], query: dict[str, str]
) -> None:
    answer = console.get(address(two[0], two[1], **query))
    assert answer.status_code == 200
    assert "This filter was not understood" in answer.content.decode()
    assert "rows" not in answer.context


def test_batches_without_a_difference_say_so(console: Client, make_batch: MakeBatch) -> None:
    assert "No difference" in console.get(address(make_batch(succeeded=2), make_batch(succeeded=2))).content.decode()
    waiting = make_batch(BatchStatus.VALIDATING)
    assert "Nothing to compare" in console.get(address(waiting, make_batch(BatchStatus.FAILED))).content.decode()


def test_likely_batches_are_offered_the_nearest_first_and_each_once(console: Client, make_batch: MakeBatch) -> None:
    parent = make_batch(remark="Parent", metadata={"team": "search"})
    batch = make_batch(remark="Itself", metadata={"team": "search"})
    child, twin, like = (
        make_batch(remark="Child"),
        make_batch(remark="Twin"),
        make_batch(remark="Like", metadata={"team": "search"}),
    )
    make_batch(remark="Unlike", metadata={"team": "ads"})
    Batch.objects.filter(pk=batch.pk).update(parent=parent)
    Batch.objects.filter(pk=child.pk).update(parent=batch)
    Batch.objects.filter(pk=twin.pk).update(input_file=batch.input_file)
    offers = console.get(f"/console/batches/{batch}/compare/").context["offers"]
    assert [(offer.batch.remark, offer.why) for offer in offers] == [
        ("Parent", "Its parent"),
        ("Child", "A retry of it"),
        ("Twin", "The same input file"),
        ("Like", "The same metadata"),
    ]
    assert like.project == batch.project


def test_a_batch_without_relations_can_be_compared_by_id(console: Client, make_batch: MakeBatch) -> None:
    page = console.get(f"/console/batches/{make_batch()}/compare/").content.decode()
    assert "No related batch found. Choose a recent batch or paste an id." in page
    assert 'name="with"' in page


def test_the_batch_page_leads_there(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    assert f'href="/console/batches/{batch}/compare/"' in console.get(f"/console/batches/{batch}/").content.decode()


@pytest.mark.parametrize("asked", ["nonsense", "\x00", "batch_" + "0" * 32, "\u202etxt"])
def test_an_id_of_no_batch_is_said_beside_the_field(console: Client, make_batch: MakeBatch, asked: str) -> None:
    answer = console.get(address(make_batch(), asked))
    assert answer.status_code == 404
    assert "problem" in answer.content.decode()


def test_a_batch_is_not_compared_with_itself(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    assert "A batch cannot be compared with itself." in console.get(address(batch, batch)).content.decode()
    assert console.get(address(batch, batch, "object/", custom_id="a-1")).status_code == 404


def test_a_foreign_batch_does_not_exist_on_either_side(member: SignIn, make_batch: MakeBatch, other_project: Project) -> None:
    own, foreign = make_batch(succeeded=1), make_batch(succeeded=1, of=other_project, remark="theirs")
    Batch.objects.filter(pk=foreign.pk).update(input_file=own.input_file, metadata={"a": "b"})
    viewer = member(Role.VIEWER)
    for first, second in ((own, foreign), (foreign, own)):
        for page in ("", "object/"):
            answer = viewer.get(address(first, second, page, custom_id="a-1"))
            assert answer.status_code == 404
            assert "theirs" not in answer.content.decode()
    assert "theirs" not in viewer.get(f"/console/batches/{own}/compare/").content.decode()


# --- Two answers -----------------------------------------------------------------------------------------------


def answers(client: Client, two: tuple[Batch, Batch], custom_id: str = "a-1") -> str:
    answer = client.get(address(*two, "object/", custom_id=custom_id))
    assert answer.status_code == 200
    return answer.content.decode()


def test_two_answers_are_compared_with_their_keys_in_order(console: Client, two: tuple[Batch, Batch]) -> None:
    page = answers(console, two)
    assert "Differences between the answers" in page
    assert "<del>  &quot;a&quot;: &quot;<b>red</b>&quot;,</del>" in page
    assert "<ins>  &quot;a&quot;: &quot;<b>blue</b>&quot;,</ins>" in page
    assert "<span>  &quot;b&quot;: 1</span>" in page


def test_the_same_answers_are_said_to_be_the_same(console: Client, make_batch: MakeBatch) -> None:
    two = (make_batch(succeeded=1, body='{"a": 1, "b": 2}'), make_batch(succeeded=1, body='{"b":2,"a":1}'))
    assert "Both answers are the same" in answers(console, two)


def test_of_what_only_one_batch_has_its_answer_is_shown(console: Client, two: tuple[Batch, Batch]) -> None:
    page = answers(console, two, "a-4")
    assert "no request with this custom_id" in page
    assert "<h2>Answer</h2>" in page
    assert "blue" in page


def test_an_object_without_an_answer_says_what_came_of_it(console: Client, make_batch: MakeBatch) -> None:
    two = (make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(failed=1, body=""))
    page = answers(console, two)
    assert "Pending" in page
    assert "The upstream failed." in page


def test_answers_that_are_no_longer_kept_are_said_to_be_gone(console: Client, make_batch: MakeBatch) -> None:
    two = (make_batch(succeeded=1), make_batch(succeeded=1))
    Batch.objects.filter(pk=two[0].pk).update(results_pruned_at=two[0].created_at)
    BatchResult.objects.filter(batch=two[0]).delete()
    assert "no longer kept" in answers(console, two)


def test_hostile_answers_are_shown_and_not_obeyed(console: Client, make_batch: MakeBatch) -> None:
    hostile = '{"a": "<script>alert(1)</script>\\u0000\u202e' + "x" * 1_000_000 + '"}'
    two = make_batch(succeeded=1, body=hostile), make_batch(succeeded=1)
    for batch in two:
        BatchObject.objects.filter(batch=batch).update(custom_id="<b>\u202e=1+1")
    page = answers(console, two, "<b>\u202e=1+1")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert len(page) < 50_000
    assert "&lt;b&gt;⟨U+202E⟩" in console.get(address(*two, verdict="both_fine")).content.decode()


@pytest.mark.parametrize("custom_id", ["nobody", "", "\x00", "x" * 5000])
def test_a_custom_id_that_neither_has_is_not_found(console: Client, two: tuple[Batch, Batch], custom_id: str) -> None:
    assert console.get(address(*two, "object/", custom_id=custom_id)).status_code == 404


def test_answers_need_the_right_to_bodies_on_both_sides(
    member: SignIn, make_batch: MakeBatch, project: Project, other_project: Project, settings: Settings
) -> None:
    settings.BODIES_ROLE = "operator"
    own, seen = make_batch(succeeded=1), make_batch(succeeded=1, of=other_project)
    operator = member(Role.OPERATOR)
    Membership.objects.create(user=Membership.objects.get().user, project=other_project, role=Role.VIEWER)
    for pair in ((own, seen), (seen, own)):
        assert operator.get(address(*pair)).status_code == 200
        assert operator.get(address(*pair, "object/", custom_id="a-1")).status_code == 403


def test_every_verdict_has_its_tone() -> None:
    assert set(TONES) == set(Verdict)

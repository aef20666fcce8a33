"""manage.py erase."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, Erasure, Project
from batches.services.retention.holds import place_hold
from tests.cast import TESTER
from tests.services.pruned import mixed

pytestmark = [pytest.mark.django_db, pytest.mark.alike, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    return mixed(project, settings, prefix="somebody")


def erase(*words: str) -> str:
    out = StringIO()
    call_command("erase", *words, stdout=out)
    return out.getvalue()


def test_a_preview_says_what_would_be_touched(batch: Batch) -> None:
    said = erase("preview", "acme", "--custom-id", "somebody-7")
    assert "1 request with 1 result row in 1 batch." in said
    assert "3 files would be searched" in said
    assert BatchObject.objects.filter(custom_id="somebody-7").exists()


def test_what_was_erased_stands_in_a_receipt_that_only_the_value_fits(batch: Batch) -> None:
    said = erase("run", "acme", "--custom-id", "somebody-7", "--reason", "A letter.")
    receipt = str(Erasure.objects.get())
    assert f"{receipt}: custom_id in project acme" in said.lower().replace("custom id", "custom_id")
    assert "Erased requests: 1." in said
    assert "somebody-7" not in said
    assert not BatchObject.objects.filter(custom_id="somebody-7").exists()
    assert said == erase("show", receipt)
    assert receipt in erase("list", "acme")
    assert "is the receipt" in erase("check", receipt, "--custom-id", "somebody-7")
    with pytest.raises(CommandError, match="is not the receipt"):
        erase("check", receipt, "--custom-id", "somebody-8")


def test_the_value_may_come_from_standard_input(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("somebody-7\n"))
    erase("run", "acme", "--custom-id", "-", "--reason", "A letter.")
    assert not BatchObject.objects.filter(custom_id="somebody-7").exists()


def test_a_metadata_pair_is_erased_with_its_batches(batch: Batch) -> None:
    Batch.objects.update(metadata={"customer": "jane"})
    assert "Erased metadata pairs: 1." in erase("run", "acme", "--metadata", "customer=jane", "--reason", "A letter.")
    assert Batch.objects.get().metadata is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["preview", "nobody", "--custom-id", "a"], "There is no project 'nobody'"),
        (["preview", "acme", "--metadata", "a"], "as key=value"),
        (["preview", "acme", "--custom-id", ""], "from 1 to 512"),
        (["run", "acme", "--custom-id", "somebody", "--reason", "somebody asked"], "may not name"),
        (["show", "x"], "There is no erasure 'x'"),
    ],
)
def test_what_cannot_be_done_says_why(project: Project, words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        erase(*words)


def test_what_is_under_hold_says_so_in_preview_and_is_not_erased(batch: Batch) -> None:
    place_hold(batch.project, reason="A lawsuit.", actor=TESTER, now=timezone.now())
    assert "Cannot begin. Project acme is under legal hold: A lawsuit." in erase("preview", "acme", "--custom-id", "somebody-7")
    with pytest.raises(CommandError, match="under legal hold"):
        erase("run", "acme", "--custom-id", "somebody-7", "--reason", "A letter.")

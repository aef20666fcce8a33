"""The execution of a new batch in the console: who is offered the choice, and what becomes of it."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.http import urlencode

from batches.models import Batch, Project
from providers.models import Provider
from tests.cast import request_lines, started
from tests.console.pages.acts.test_check_input import ABOUT, NEW
from tests.console.pages.acts.test_clone import cloned

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(project: Project, simulator: Provider) -> Provider:
    """The simulator with a batch API, at which the project may delegate."""
    project.may_delegate = True
    project.save()
    simulator.jobs_family = "openai"
    simulator.save()
    return simulator


def report(console: Client, **about: str) -> str:
    answer = console.post(NEW, {**ABOUT, **about, "file": SimpleUploadedFile("requests.jsonl", request_lines(2))})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.headers["Location"])


def choices(console: Client, **known: str) -> Any:
    form = console.get(f"{NEW}?{urlencode({'project': 'acme', **known})}").context["form"]
    return form.fields["execution"].choices if "execution" in form.fields else None


def test_each_choice_has_a_sentence(console: Client, provider: Provider) -> None:
    offered = dict(choices(console))
    assert list(offered) == ["", "direct", "delegated", "hybrid", "auto"]
    assert all(": " in words for value, words in offered.items() if value)
    assert "stored at the provider" in console.get(f"{NEW}?project=acme").content.decode()


@pytest.mark.parametrize("missing", ["the batch API", "the permission"])
def test_nothing_is_offered_that_cannot_be(console: Client, provider: Provider, project: Project, missing: str) -> None:
    if missing == "the batch API":
        Provider.objects.update(jobs_family="")
    else:
        Project.objects.update(may_delegate=False)
    assert choices(console) is None
    assert "Execution" not in console.get(f"{NEW}?project=acme").content.decode()


@pytest.mark.parametrize("wish", ["", "direct", "delegated", "hybrid", "auto"])
def test_the_batch_gets_what_was_chosen(console: Client, provider: Provider, wish: str) -> None:
    address = report(console, execution=wish)
    page = console.get(address).content.decode()
    assert ("<dt>Execution</dt>" in page) is bool(wish)
    assert console.post(address).status_code == 302
    batch = Batch.objects.get()
    assert (batch.execution_asked, batch.execution) == (wish, wish or "direct")


def test_another_choice_over_the_same_input_is_another_batch(console: Client, provider: Provider) -> None:
    address = report(console)
    asked = console.get(address).context["asked"].isoformat()
    for one in (address, f"{address}&execution=hybrid", f"{address}&execution=hybrid"):
        assert console.post(one, {"asked": asked}).status_code == 302
    assert sorted(Batch.objects.values_list("execution", flat=True)) == ["direct", "hybrid"]


def test_an_unknown_word_leads_back_to_the_form(console: Client, provider: Provider) -> None:
    address = report(console)
    assert console.get(f"{address}&execution=fast").headers["Location"].startswith(NEW)


@pytest.mark.parametrize("wish", ["delegated", "hybrid"])
def test_a_wish_that_became_impossible_is_a_problem_of_the_report(console: Client, provider: Provider, wish: str) -> None:
    address = report(console, execution=wish)
    Project.objects.update(may_delegate=False)

    found = console.get(address).context["findings"]
    assert [problem.code for problem in found.problems] == ["cannot_delegate"]
    answer = console.post(address)

    assert answer.status_code == 400
    assert "does not allow its requests to be stored at a provider" in answer.content.decode()
    assert not Batch.objects.exists()


@pytest.mark.parametrize("wish", ["", "hybrid", "auto"])
def test_a_clone_keeps_the_wish(console: Client, provider: Provider, project: Project, wish: str) -> None:
    original = started(project, request_lines(2), execution=wish)
    clone = cloned(console, console.get(f"{NEW}?from={original}"))
    assert clone.pk != original.pk
    assert clone.execution_asked == wish

"""The callback URL of a new batch in the console: refused as in the API, shown before and after the start, and cloned."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from batches.models import Batch, Project, WebhookEndpoint
from batches.models.webhook import WEBHOOK_URL_CHARS
from batches.rules.errors import InvalidRequest
from batches.rules.states import BatchStatus
from batches.services.webhooks.receivers import require_receiver
from providers.models import Provider
from tests.cast import request_lines
from tests.console.conftest import MakeBatch
from tests.console.pages.acts.test_check_input import ABOUT, NEW
from tests.console.pages.acts.test_clone import cloned

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

URL = "https://receiver.example/hooks?run=7"


def sent(console: Client, url: str) -> Any:
    return console.post(NEW, {**ABOUT, "callback_url": url, "file": SimpleUploadedFile("requests.jsonl", request_lines(2))})


def test_the_batch_gets_it_and_the_pages_show_it(console: Client, project: Project) -> None:
    assert 'name="callback_url"' in console.get(NEW).content.decode()
    address = sent(console, f" {URL} ").headers["Location"]
    assert URL in console.get(address).content.decode()
    page = console.get(console.post(address).headers["Location"]).content.decode()
    assert Batch.objects.get().callback_url == URL
    assert URL in page
    assert WebhookEndpoint.objects.get(project=project).is_callbacks


def test_none_is_given_by_an_empty_field(console: Client, project: Project) -> None:
    address = sent(console, "").headers["Location"]
    assert "Callback URL" not in console.get(address).content.decode()
    console.post(address)
    assert Batch.objects.get().callback_url == ""
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        *("http://receiver.example/", "ftp://receiver.example/", "receiver.example", "https://user:word@receiver.example/"),
        *("https://169.254.169.254/", "https://10.0.0.1/", "https://receiver.example/#part", "https://receiver.example:0/"),
        *("https://receiver.example/ two", "https://receiver.example/ü"),
    ],
)
def test_one_that_nothing_may_be_sent_to_is_refused_beside_its_field_in_the_words_of_the_api(
    console: Client, project: Project, url: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        require_receiver(url, param="callback_url")
    answer = sent(console, url)
    assert answer.status_code == 422
    assert answer.context["form"].errors == {"callback_url": [refused.value.message]}
    assert answer.content.decode().count('id="id_callback_url_error"') == 1
    assert not Batch.objects.exists()


def test_one_that_is_too_long_is_refused(console: Client, project: Project) -> None:
    answer = sent(console, "https://receiver.example/".ljust(WEBHOOK_URL_CHARS + 1, "x"))
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["callback_url"]


def test_the_report_of_an_address_with_a_bad_one_leads_back_to_the_form(console: Client, project: Project) -> None:
    address = sent(console, "").headers["Location"]
    assert console.get(f"{address}&callback_url=http://receiver.example/").headers["Location"].startswith(NEW)


def test_another_one_over_the_same_input_is_another_batch(console: Client, project: Project, simulator: Provider) -> None:
    address = sent(console, "").headers["Location"]
    asked = console.get(address).context["asked"].isoformat()
    for one in (address, f"{address}&callback_url={URL}", f"{address}&callback_url={URL}"):
        assert console.post(one, {"asked": asked}).status_code == 302
    assert sorted(Batch.objects.values_list("callback_url", flat=True)) == ["", URL]


def test_a_clone_keeps_it(console: Client, make_batch: MakeBatch) -> None:
    original = make_batch(BatchStatus.COMPLETED, succeeded=2)
    Batch.objects.update(callback_url=URL)
    page = console.get(f"{NEW}?from={original}")
    assert page.context["form"]["callback_url"].value() == URL
    assert cloned(console, page).callback_url == URL

"""The page on which administrators of projects allow delegation."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from batches.models import AuditEntry, Project, Role
from providers.models import Provider
from tests.cast import provider_at
from tests.console.conftest import SignIn

pytestmark = pytest.mark.django_db
PAGE = "/console/delegation/"


@pytest.fixture
def provider(db: None) -> Provider:
    return provider_at("https://host.example/v1", jobs_family="openai", jobs_region="EU (Frankfurt)")


def test_the_page_shows_where_requests_would_be_stored(project: Project, provider: Provider, member: SignIn) -> None:
    page = member(Role.ADMIN).get(PAGE).content.decode()

    assert all(words in page for words in ("EU (Frankfurt)", "30 days", "0.5 of the direct price", 'value="acme"'))


def test_an_admin_of_a_project_allows_it_there_and_nowhere_else(
    project: Project, other_project: Project, provider: Provider, member: SignIn
) -> None:
    client = member(Role.ADMIN)

    answer = client.post(PAGE, {"project": "acme", "may_delegate": "on", "execution": "hybrid"})
    refused = client.post(PAGE, {"project": "globex", "may_delegate": "on", "execution": ""})

    assert [str(each) for each in get_messages(answer.wsgi_request)] == [
        "Project acme may have its requests stored at providers."
    ]
    assert (answer.status_code, refused.status_code) == (302, 404)
    assert list(Project.objects.order_by("slug").values_list("may_delegate", "execution")) == [(True, "hybrid"), (False, "")]
    assert AuditEntry.objects.get(act="set_delegation").project == project


def test_a_word_that_is_no_execution_is_refused_beside_its_field(project: Project, console: Client) -> None:
    answer = console.post(PAGE, {"project": "acme", "may_delegate": "on", "execution": "sideways"})

    assert answer.status_code == 422
    assert "sideways is not one of the available choices" in answer.content.decode()
    assert not Project.objects.get(pk=project.pk).may_delegate


def test_the_page_of_a_provider_tells_of_its_batch_api(provider: Provider, console: Client) -> None:
    page = console.get(f"/console/providers/{provider.name}/").content.decode()
    assert all(words in page for words in ("Batch API", "EU (Frankfurt)", "of 100 now"))

"""S9: an answer to who may not see something does not tell whether it is there."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from batches.models import AccountToken, Membership, Project, ProviderGrant, Role
from providers.models import Provider
from tests.console.conftest import MakeBatch, SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def answer_to(client: Client, path: str, **query: str) -> tuple[int, str]:
    """What an answer tells, but for what was asked."""
    answer = client.get(path, query)
    return answer.status_code, answer.headers.get("Location", "")


@pytest.fixture
def acmes(member: SignIn) -> Client:
    """An admin of `acme` who may enter the admin."""
    return member(Role.ADMIN, is_staff=True)


def test_a_new_batch_for_a_project_that_is_not_ones_own_is_as_for_one_that_there_is_not(
    acmes: Client, other_project: Project, simulator: Provider
) -> None:
    path = "/console/batches/new/"
    assert answer_to(acmes, path, project="globex") == answer_to(acmes, path, project="nowhere") == (200, "")
    assert "globex" not in acmes.get(path, {"project": "globex"}).content.decode()
    posted = [acmes.post(path, {"project": project, "endpoint": "/v1/embeddings"}) for project in ("globex", "nowhere")]
    assert [answer.status_code for answer in posted] == [422, 422]


def test_the_history_of_a_row_that_one_may_not_see_is_refused_whether_or_not_it_is_there(
    member: SignIn, simulator: Provider, other_project: Project, make_batch: MakeBatch
) -> None:
    stranger = member(Role.ADMIN, of=other_project, is_staff=True)
    somebody = User.objects.create_user("somebody")
    foreign = make_batch()
    nobody = "019bd3a1-c0de-7b33-a9d4-1f52c8e07a66"
    for page in ("history", "change", "delete"):
        person = [reverse(f"admin:auth_user_{page}", args=[key]) for key in (somebody.pk, 99_999)]
        provider = [reverse(f"admin:providers_provider_{page}", args=[key]) for key in (simulator.pk, nobody)]
        assert answer_to(stranger, person[0]) == answer_to(stranger, person[1]) == (403, "")
        assert answer_to(stranger, provider[0]) == answer_to(stranger, provider[1]) == (403, "")
        batches = [reverse(f"admin:batches_batch_{page}", args=[key]) for key in (foreign.pk, nobody)]
        assert answer_to(stranger, batches[0]) == answer_to(stranger, batches[1])


LOOK_UP = "/admin/autocomplete/?app_label=batches&model_name={model}&field_name={field}&term={term}"


def test_who_uses_the_portal_cannot_be_looked_up(acmes: Client) -> None:
    User.objects.create_user("anna", email="anna@globex.example")
    for term in ("", "an", "anna", "anna@", "nobody"):
        for model in ("membership", "savedview", "bulkoperation"):
            field = "user" if model == "membership" else "owner"
            assert answer_to(acmes, LOOK_UP.format(model=model, field=field, term=term)) == (403, "")


def test_but_a_member_is_made_of_whom_one_can_name(acmes: Client, project: Project) -> None:
    anna = User.objects.create_user("anna")
    User.objects.create_user("left", is_active=False)
    page = "/admin/batches/membership/add/"
    assert 'name="user"' in acmes.get(page).content.decode()
    for unknown in ("ann", "nobody", "left", str(anna.pk), ""):
        answer = acmes.post(page, {"user": unknown, "project": str(project.pk), "role": "viewer"})
        assert answer.status_code == 200
    assert (
        "No account has this name."
        in acmes.post(page, {"user": str(anna.pk), "project": str(project.pk), "role": "viewer"}).content.decode()
    )
    assert acmes.post(page, {"user": "anna", "project": str(project.pk), "role": "viewer"}).status_code == 302
    assert Membership.objects.get(user=anna).role == Role.VIEWER


def test_where_a_provider_is_cannot_be_found_out_by_searching(acmes: Client, project: Project) -> None:
    hidden = Provider.objects.create(name="gateway", adapter="openai", base_url="https://secret.internal/v1")
    ours = LOOK_UP.format(model="accounttoken", field="provider", term="{term}")
    assert acmes.get(ours.format(term="gate")).json()["results"] == [{"id": str(hidden.pk), "text": "gateway"}]
    for term in ("secret", "internal", "https"):
        assert acmes.get(ours.format(term=term)).json()["results"] == []


def test_a_provider_of_others_is_for_an_account_token_as_one_that_there_is_not(
    acmes: Client, project: Project, other_project: Project
) -> None:
    theirs = Provider.objects.create(name="theirs", adapter="openai", base_url="https://x.example", granted_to_all=False)
    ProviderGrant.objects.create(project=other_project, provider=theirs)
    answers = [
        acmes.post("/admin/batches/accounttoken/add/", {"project": str(project.pk), "provider": str(provider)})
        for provider in (theirs.pk, "019bd3a1-c0de-7b33-a9d4-1f52c8e07a66")
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "theirs" not in answers[0].content.decode()
    errors = [answer.context["adminform"].form.errors.as_json() for answer in answers]
    assert errors[0] == errors[1]
    assert not AccountToken.objects.exists()

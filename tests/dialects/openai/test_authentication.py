"""Who may call."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import ApiKey, Project
from tests.dialects.openai.conftest import Api


def test_a_call_without_a_key_is_told_how_to_send_one(nobody: Api) -> None:
    answer = nobody.get("/v1/batches")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.error["code"] == "invalid_api_key"
    assert "Bearer" in answer.error["message"]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer by_wrong",
        "Bearer by_\0",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 5000,
        "Bearer a b",
        "Basic dXNlcjpwYXNz",
        "Token {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer Bearer {key}",
    ],
)
def test_a_wrong_credential_is_refused_in_the_dialects_words(nobody: Api, key: str, header: str) -> None:
    answer = nobody.get("/v1/files", headers={"Authorization": header.replace("{key}", key)})
    assert answer.status == 401
    assert answer.error["type"] == "authentication_error"


@pytest.mark.parametrize("form", ["Bearer {key}", "bearer {key}", "BEARER   {key} "])
def test_the_scheme_is_read_whatever_its_case(nobody: Api, key: str, form: str) -> None:
    assert nobody.get("/v1/files", headers={"Authorization": form.replace("{key}", key)}).status == 200


def test_an_expired_and_a_revoked_key_are_refused_as_an_unknown_one_is(nobody: Api, project: Project) -> None:
    past = timezone.now() - timedelta(seconds=1)
    _, expired_plain = ApiKey.issue(project=project, name="expired", expires_at=past)
    revoked, revoked_plain = ApiKey.issue(project=project, name="revoked")
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=past)
    answers = [Api(plain).get("/v1/files") for plain in (expired_plain, revoked_plain, "by_unknown_key")]
    assert [answer.status for answer in answers] == [401, 401, 401]
    assert len({answer.content for answer in answers}) == 1


def test_no_body_is_read_before_the_key_is_known(nobody: Api) -> None:
    """The body is not JSON, and longer than allowed; neither is noticed."""
    assert nobody.post_bytes("/v1/batches", b"[" * 2_000_000).status == 401
    assert nobody.upload(b"x").status == 401


def test_the_use_of_a_key_is_noted(api: Api, project: Project) -> None:
    api.get("/v1/files")
    assert project.api_keys.get().last_used_at is not None

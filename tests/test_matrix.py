"""What the suite itself stands on: a matrix tells of every case that failed, and a test that commits leaves nothing."""

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client, TransactionTestCase

from batches.models import ApiKey, Project
from tests.emptying import empty
from tests.matrix import every

ODD = "odd"


def test_every_case_that_fails_is_told_and_the_others_are_tried_all_the_same(db: None) -> None:
    tried = []

    @every("number, word", [(1, ODD), (2, "even"), (3, ODD)])
    def matrix(number: int, word: str) -> None:
        tried.append(number)
        assert word != ODD, f"no {number}"

    with pytest.raises(pytest.fail.Exception) as failed:
        matrix()
    assert tried == [1, 2, 3]
    assert "2 of 3 cases failed" in str(failed.value)
    assert "[1-odd]" in str(failed.value)
    assert "no 3" in str(failed.value)
    assert "no 2" not in str(failed.value)


def test_each_case_finds_the_rows_that_the_fixtures_made_and_no_others(project: Project, operator: User, client: Client) -> None:
    @every("number", range(3))
    def matrix(number: int, client: Client) -> None:
        assert "sessionid" not in client.cookies
        client.force_login(operator)
        Project.objects.create(slug="once", name="Once")
        assert Project.objects.count() == 2

    matrix(client=client)
    assert Project.objects.get() == project


def test_a_matrix_without_cases_is_refused(db: None) -> None:
    @every("number", [])
    def matrix(number: int) -> None: ...

    with pytest.raises(AssertionError, match="without cases"):
        matrix()


@pytest.mark.django_db(transaction=True)
def test_a_test_that_commits_leaves_no_row_but_what_never_changes() -> None:
    kept = (Permission.objects.count(), ContentType.objects.count())
    project = Project.objects.create(slug="acme", name="Acme")
    ApiKey.issue(project=project, name="tests")
    User.objects.create_user("anna").user_permissions.add(Permission.objects.all()[0])

    empty(TransactionTestCase())

    assert not Project.objects.exists()
    assert not ApiKey.objects.exists()
    assert not User.objects.exists()
    assert not User.user_permissions.through.objects.exists()
    assert (Permission.objects.count(), ContentType.objects.count()) == kept
    assert min(kept) > 20

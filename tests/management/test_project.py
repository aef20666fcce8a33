"""manage.py project."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from batches.models import AuditEntry, Project
from providers.models import Provider
from tests.cast import request_lines, started

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def project_command(*arguments: str) -> str:
    out = StringIO()
    call_command("project", *arguments, stdout=out)
    return out.getvalue()


def test_listing_shows_what_each_project_has_and_may_have(
    project: Project, other_project: Project, simulator: Provider, settings: Settings
) -> None:
    settings.PROJECT_MAX_STORED_BYTES = 10**6
    size = started(project, request_lines(2)).input_file.bytes  # type: ignore[union-attr]
    assert project_command("list").splitlines() == [
        f"acme\topen_batches 1/-\tpending_objects 2/-\tstored_bytes {size}/1000000",
        "globex\topen_batches 0/-\tpending_objects 0/-\tstored_bytes 0/1000000",
    ]


def test_setting_changes_what_is_named_and_none_is_the_default_again(project: Project) -> None:
    said = project_command("set", "acme", "--max-open-batches", "5", "--max-stored-bytes", "0")
    assert said == "acme\topen_batches 0/5\tpending_objects 0/-\tstored_bytes 0/0\n"
    said = project_command("set", "acme", "--max-open-batches", "none")
    assert said == "acme\topen_batches 0/-\tpending_objects 0/-\tstored_bytes 0/0\n"
    assert AuditEntry.objects.filter(act="set_quotas", target="acme").count() == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["set", "nobody", "--max-open-batches", "1"], "no project 'nobody'. Known: acme"),
        (["set", "acme"], "Nothing to set"),
        (["set", "acme", "--max-open-batches", "many"], "neither a whole number nor none"),
        (["set", "acme", "--max-open-batches", "-1"], "max_open_batches"),
        ([], "VERB"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(project: Project, arguments: list[str], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        project_command(*arguments)
    project.refresh_from_db()
    assert project.max_open_batches is None


def test_allowing_delegation_shows_where_requests_are_kept(project: Project) -> None:
    Provider.objects.create(
        name="up", adapter="openai", base_url="https://host.example/v1", jobs_family="openai", jobs_region="US (Iowa)"
    )

    said = project_command("set", "acme", "--may-delegate", "yes", "--execution", "hybrid").splitlines()

    assert said[0] == "up\topenai: region US (Iowa), results kept for 30 days unless they are deleted before"
    assert said[1].endswith("\tmay_delegate\texecution hybrid")
    assert project_command("set", "acme", "--may-delegate", "no", "--execution", "none").endswith("stored_bytes 0/-\n")
    project.refresh_from_db()
    assert (project.may_delegate, project.execution) == (False, "")

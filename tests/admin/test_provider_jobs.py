"""Provider jobs in the admin: found by what people have at hand, and shown without what is secret."""

import pytest
from django.test import Client

from batches.models import ProviderJob, Role
from tests.admin.conftest import Furnish, SignIn

LIST = "/admin/batches/providerjob/"


@pytest.mark.parametrize("column", ["marker", "remote_id", "input_ref", "batch"])
def test_a_job_is_found_by_its_ids(console: Client, furnish: Furnish, column: str) -> None:
    for number in range(2):
        furnish()
        ProviderJob.objects.filter(remote_id="").update(remote_id=f"batch_{number}", input_ref=f"file-{number}")
    first, second = ProviderJob.objects.order_by("created_at")
    page = console.get(LIST, {"q": str(getattr(first, column))}).content.decode()
    assert f">{first.marker}</a>" in page
    assert f">{second.marker}</a>" not in page


def test_neither_the_former_credential_nor_its_address_is_shown(console: Client, furnish: Furnish) -> None:
    furnish()
    job = ProviderJob.objects.get()
    for path in (LIST, f"{LIST}{job.pk}/change/"):
        page = console.get(path).content.decode()
        assert "a-secret-of-theirs" not in page
        assert "former" not in page.lower().replace("former_markers", "").replace("former markers", "")


def test_an_admin_of_another_project_sees_no_job(member: SignIn, furnish: Furnish, other_project: object) -> None:
    furnish()
    page = member(Role.ADMIN, of=other_project, is_staff=True).get(LIST).content.decode()  # type: ignore[arg-type]
    assert "0 provider jobs" in page


def test_the_list_of_batches_tells_their_execution(console: Client, furnish: Furnish) -> None:
    furnish()
    page = console.get("/admin/batches/batch/", {"execution__exact": "direct"}).content.decode()
    assert '<td class="field-runs">direct</td>' in page

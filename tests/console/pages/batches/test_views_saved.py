import pytest
from django.contrib.auth.models import User
from django.test import Client

from batches.models import AuditEntry, Project, Role, SavedView
from tests.console.conftest import MakeBatch, SignIn

FORM = {"name": "Night shift"}


def saved(client: Client, query: str = "?status=failed", **form: str) -> SavedView:
    answer = client.post(f"/console/views/new/{query}", {**FORM, **form})
    assert answer.status_code == 302, answer.content.decode()
    return SavedView.objects.get(slug=answer.headers["Location"].split("/")[-2])


def tabs(client: Client, query: str = "?view=all") -> dict[str, tuple[bool, bool]]:
    """Each tab: whether it is the current one, and whether it was changed."""
    found = client.get(f"/console/batches/{query}").context["tabs"]
    return {tab.label: (tab.is_current, tab.is_modified) for tab in found}


def test_a_view_keeps_the_question_its_order_and_columns_at_an_address_of_its_own(console: Client) -> None:
    view = saved(console, "?status=failed&model!=gpt&sort=deadline&columns=status&after=1-" + "0" * 32)
    assert (view.slug, view.is_shared, view.is_default) == ("night-shift", False, False)
    address = console.get("/console/views/night-shift/").headers["Location"]
    assert address == "/console/batches/?status=failed&model%21=gpt&sort=deadline&columns=status&saved=night-shift"
    assert tabs(console, address.removeprefix("/console/batches/"))["Night shift"] == (True, False)


def test_a_change_of_the_filters_marks_the_view_until_it_is_updated(console: Client, make_batch: MakeBatch) -> None:
    make_batch()
    saved(console)
    changed = "?status=failed&status=expired&saved=night-shift"
    assert tabs(console, changed)["Night shift"] == (True, True)
    assert "Update “Night shift”" in console.get(f"/console/batches/{changed}").content.decode()
    console.post("/console/views/night-shift/edit/", {"act": "replace", "query": changed[1:]})
    assert SavedView.objects.get().query == "status=failed&status=expired"
    assert tabs(console, changed)["Night shift"] == (True, False)
    assert tabs(console, "?status=expired&saved=night-shift&status=failed")["Night shift"] == (True, False)


def test_the_list_opens_with_the_default_view_and_all_is_still_there(console: Client, make_batch: MakeBatch) -> None:
    first = saved(console, is_default="on")
    second = saved(console, name="Other", is_default="on")
    first.refresh_from_db()
    assert (first.is_default, second.is_default) == (False, True)
    assert console.get("/console/batches/").headers["Location"] == "/console/views/other/"
    assert console.get("/console/batches/?view=all").status_code == 200
    assert console.get("/console/batches/", headers={"X-Requested-With": "fragment"}).status_code == 200


def test_names_may_be_the_same_or_have_no_letters_for_an_address(console: Client) -> None:
    assert [saved(console, name=name).slug for name in ("New", "Night", "Night", "夜勤")] == ["new-2", "night", "night-2", "view"]


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "a\u202eb", "x" * 101])
def test_what_is_no_name_is_refused_and_nothing_is_saved(console: Client, name: str) -> None:
    answer = console.post("/console/views/new/?status=failed", {"name": name})
    assert answer.status_code == 422
    assert "1 to 100 printable characters" in answer.content.decode()
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("query", ["?status=lost", "?colour=red", "?model=" + "&model=".join(f"m{n}" for n in range(400))])
def test_what_cannot_be_asked_or_is_too_long_is_not_saved(console: Client, query: str) -> None:
    answer = console.post(f"/console/views/new/{query}", FORM)
    assert answer.status_code == 422
    assert not SavedView.objects.exists()


def test_it_is_renamed_shared_and_deleted_by_its_owner_and_that_is_on_record(console: Client) -> None:
    saved(console)
    console.post("/console/views/night-shift/edit/", {"name": "<b>Nights</b>", "is_shared": "on"})
    view = SavedView.objects.get()
    assert (view.name, view.slug, view.is_shared) == ("<b>Nights</b>", "night-shift", True)
    page = console.get("/console/views/").content.decode()
    assert "&lt;b&gt;Nights&lt;/b&gt;" in page
    assert "<b>Nights" not in page
    assert console.post("/console/views/night-shift/edit/", {"act": "delete"}).status_code == 302
    assert not SavedView.objects.exists()
    assert set(AuditEntry.objects.values_list("act", flat=True)) == {"save_view", "change_view", "delete_view"}


def test_a_private_view_is_nobody_elses(member: SignIn) -> None:
    saved(member(Role.OPERATOR))
    colleague = member(Role.ADMIN)
    assert "Night shift" not in tabs(colleague)
    for path in ("", "edit/"):
        assert colleague.get(f"/console/views/night-shift/{path}").status_code == 404
    assert tabs(colleague, "?saved=night-shift").get("Night shift") is None


def test_a_shared_view_is_opened_by_colleagues_and_changed_by_its_owner_alone(
    member: SignIn, project: Project, other_project: Project
) -> None:
    view = saved(member(Role.OPERATOR), "?project=acme", is_shared="on")
    colleague, stranger = member(Role.VIEWER), member(Role.ADMIN, of=other_project)
    assert "Night shift" in tabs(colleague)
    assert colleague.get("/console/views/night-shift/").status_code == 302
    assert "Night shift" not in tabs(stranger)
    assert stranger.get("/console/views/night-shift/").status_code == 404
    assert "Night shift" not in stranger.get("/console/views/").content.decode()
    for form in ({"name": "Mine"}, {"act": "delete"}, {"act": "replace", "query": ""}):
        assert colleague.post("/console/views/night-shift/edit/", form).status_code == 404
    view.refresh_from_db()
    assert (view.name, view.query) == ("Night shift", "project=acme")


def test_what_an_administrator_of_the_portal_shares_is_everybodys(console: Client, operator: User, member: SignIn) -> None:
    saved(console, is_shared="on")
    assert "Night shift" in tabs(member(Role.VIEWER))


def test_a_view_whose_project_is_gone_says_so_and_can_still_be_deleted(
    console: Client, make_batch: MakeBatch, other_project: Project
) -> None:
    saved(console, f"?project={other_project.slug}")
    other_project.delete()
    make_batch(remark="Nightly run")
    page = console.get("/console/views/night-shift/", follow=True).content.decode()
    assert "There is no filter" in page or "does not take" in page
    assert "Nightly run" not in page
    assert "no longer valid" in console.get("/console/views/night-shift/edit/").content.decode()
    console.post("/console/views/night-shift/edit/", {"act": "delete"})
    assert not SavedView.objects.exists()

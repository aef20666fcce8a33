"""Error groups over the caller's projects: lists, members, muting and notes."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from batches.models import AuditEntry, ErrorGroup, Membership, Role
from tests.api.conftest import Native, problem
from tests.console.conftest import MakeBatch

SAME = "v1:same"


@pytest.fixture
def failed(make_batch: MakeBatch) -> str:
    """The id of a batch of which three objects failed for the same reason."""
    return str(make_batch(succeeded=1, failed=3))


def test_groups_are_listed_with_what_they_touched(native: Native, failed: str) -> None:
    shown = native.get("error-groups").json
    (group,) = shown["data"]
    assert shown["next_cursor"] is None
    assert (group["fingerprint"], group["count"], group["batches"], group["projects"]) == (SAME, 3, 1, ["acme"])
    assert (group["code"], group["kind"], group["source"], group["http_status"]) == (
        "server_error",
        "server_error",
        "provider",
        500,
    )
    assert (group["trend"][-1], len(group["trend"]), group["muted"], group["note"]) == (3, 24, False, "")


def test_other_projects_groups_are_not_there(stranger: Native, failed: str) -> None:
    assert stranger.get("error-groups").json["data"] == []
    for answer in (
        stranger.get(f"error-groups/{SAME}"),
        stranger.get(f"error-groups/{SAME}/objects"),
        stranger.post(f"error-groups/{SAME}/mute", {}),
        stranger.get(f"error-groups?batch={failed}"),
    ):
        assert answer.status == 404
        assert problem(answer)["code"] == "not_found"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("window=7d", True),
        ("provider=simulator", True),
        ("provider=other", False),
        ("code=server_error&source=provider", True),
        ("source=caller", False),
        ("muted=no", True),
        ("muted=yes", False),
        ("text=upstream", True),
        ("text=nothing", False),
        ("project=acme", True),
        ("project=globex", False),
    ],
)
def test_groups_are_filtered(native: Native, failed: str, query: str, found: object) -> None:
    assert bool(native.get(f"error-groups?{query}").json["data"]) is found


def test_the_groups_of_one_batch_can_be_asked_for(native: Native, failed: str, make_batch: MakeBatch) -> None:
    assert len(native.get(f"error-groups?batch={failed}").json["data"]) == 1
    assert native.get(f"error-groups?batch={make_batch(succeeded=1)}").json["data"] == []


@pytest.mark.parametrize(
    "query", ["window=1h", "cursor=x", "cursor=1.", "limit=0", "unknown=1", "source=nobody", "muted=perhaps"]
)
def test_what_is_not_understood_is_refused_by_name(native: Native, failed: str, query: str) -> None:
    answer = native.get(f"error-groups?{query}")
    assert answer.status == 400
    assert problem(answer)["param"] == query.partition("=")[0]


def test_pages_lead_to_each_other(native: Native, make_batch: MakeBatch) -> None:
    make_batch(failed=2)
    ErrorGroup.objects.update(fingerprint="v1:first")
    make_batch(failed=1)
    first = native.get("error-groups?limit=1").json
    second = native.get(first["next"].removeprefix("http://testserver")).json
    assert [group["fingerprint"] for group in first["data"] + second["data"]] == ["v1:first", SAME]
    assert second["next"] is None


def test_one_group_says_why_its_members_are_in_it(native: Native, failed: str) -> None:
    shown = native.get(f"error-groups/{SAME}?window=30d").json
    assert shown["messages"] == ["The upstream failed."]
    assert shown["because"] == {
        "message": "The upstream failed.",
        "source": "provider",
        "provider": "simulator",
        "http_status": 500,
        "code": "server_error",
        "version": "v1",
    }
    assert len(shown["trend"]) == 30
    assert problem(native.get("error-groups/v1:none"))["param"] == "fingerprint"


def test_its_objects_are_paged_by_batch_and_line(native: Native, failed: str) -> None:
    first = native.get(f"error-groups/{SAME}/objects?limit=2").json
    rest = native.get(first["next"].removeprefix("http://testserver")).json
    assert [(row["batch_id"], row["line"]) for row in first["data"] + rest["data"]] == [(failed, line) for line in (2, 3, 4)]
    assert rest["next"] is None
    assert native.get(f"error-groups/{SAME}/objects?cursor=1.2.3").status == 400


def test_a_group_is_muted_and_unmuted_on_record(native: Native, failed: str) -> None:
    assert native.post(f"error-groups/{SAME}/mute", {"reason": "Known."}).json["muted"] is True
    assert native.post(f"error-groups/{SAME}/mute", {}).json["muted"] is True
    assert native.get("error-groups?muted=no").json["data"] == []
    assert native.post(f"error-groups/{SAME}/unmute").json["muted"] is False
    acts = AuditEntry.objects.order_by("id").values_list("act", "actor", "reason", "project__slug")
    assert list(acts) == [
        ("mute_error_group", "key tests", "Known.", "acme"),
        ("unmute_error_group", "key tests", "", "acme"),
    ]


def test_a_note_is_put_beside_a_group_and_taken_away(native: Native, failed: str) -> None:
    noted = native.post(f"error-groups/{SAME}/note", {"note": "Ticket 7."}).json
    assert (noted["note"], noted["noted_by"]) == ("Ticket 7.", "key tests")
    cleared = native.post(f"error-groups/{SAME}/note", {"note": ""}).json
    assert (cleared["note"], cleared["noted_by"]) == ("", "")
    assert AuditEntry.objects.filter(act="note_error_group").count() == 2
    assert problem(native.post(f"error-groups/{SAME}/note", {}))["param"] == "note"


def test_a_viewer_may_look_and_not_mute(native: Native, failed: str, db: None) -> None:
    group = ErrorGroup.objects.get()
    viewer = _member(group, Role.VIEWER)
    assert viewer.get(f"error-groups/{SAME}").status == 200
    assert viewer.post(f"error-groups/{SAME}/mute", {}).status == 403
    assert AuditEntry.objects.get().outcome == AuditEntry.Outcome.REFUSED
    assert _member(group, Role.OPERATOR).post(f"error-groups/{SAME}/mute", {}).json["muted"] is True


def _member(group: ErrorGroup, role: Role) -> Native:
    person = User.objects.create_user(role)
    Membership.objects.create(user=person, project=group.project, role=role)
    return Native(user=person)


def test_hours_before_the_window_do_not_count(native: Native, failed: str) -> None:
    ErrorGroup.objects.get().hours.update(hour=datetime(2020, 1, 1, tzinfo=UTC))
    assert native.get("error-groups").json["data"] == []
    assert native.get(f"error-groups/{SAME}").json["count"] == 0

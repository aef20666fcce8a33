"""claims: what groups give is given, and taken away again; what was given by hand stays."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from batches.models import AuditEntry, ClaimedFlags, Membership, Project, Role
from batches.services.people.oidc_claims import ClaimedRights, apply_claims, given_by

RULES = {
    "ops": ["admin"],
    "desk": ["staff", "acme:viewer"],
    "ml": ["acme:operator", "globex:viewer"],
    "leads": ["acme:admin"],
    "ghosts": ["nowhere:viewer"],
}
NOTHING = ClaimedRights({}, is_staff=False, is_superuser=False)


@pytest.mark.parametrize(
    ("groups", "given"),
    [
        ([], NOTHING),
        (["unknown", ""], NOTHING),
        (["ops"], ClaimedRights({}, is_staff=True, is_superuser=True)),
        (["desk"], ClaimedRights({"acme": Role.VIEWER}, is_staff=True, is_superuser=False)),
        (["desk", "ml"], ClaimedRights({"acme": Role.OPERATOR, "globex": Role.VIEWER}, is_staff=True, is_superuser=False)),
        (["leads", "ml", "desk"], ClaimedRights({"acme": Role.ADMIN, "globex": Role.VIEWER}, is_staff=True, is_superuser=False)),
    ],
    ids=str,
)
def test_groups_give_what_the_rules_say_and_the_highest_of_several_roles(groups: list[str], given: ClaimedRights) -> None:
    assert given_by(groups, RULES) == given
    assert bool(given) == (given != NOTHING)


@pytest.fixture
def anna(project: Project, other_project: Project) -> User:
    return User.objects.create_user("anna")


def apply(user: User, *groups: str) -> dict[str, str]:
    """Apply what groups give; the roles that somebody has then."""
    apply_claims(user, given_by(groups, RULES), now=timezone.now())
    user.refresh_from_db()
    return dict(Membership.objects.filter(user=user).values_list("project__slug", "role"))


def acts() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("act", flat=True))


def test_a_group_that_is_gone_takes_its_role_away(anna: User) -> None:
    assert apply(anna, "ml") == {"acme": "operator", "globex": "viewer"}
    assert apply(anna, "leads") == {"acme": "admin"}
    assert apply(anna) == {}
    assert acts() == ["add_membership"] * 2 + ["remove_membership", "change_membership", "remove_membership"]
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"claims"}


def test_the_same_groups_change_nothing_and_leave_no_record(anna: User) -> None:
    apply(anna, "ml", "desk")
    before = len(acts())
    apply(anna, "ml", "desk")
    assert len(acts()) == before


def test_a_role_that_was_given_by_hand_stays_as_it_is(anna: User, project: Project) -> None:
    Membership.objects.create(user=anna, project=project, role=Role.VIEWER)
    assert apply(anna, "leads") == {"acme": "viewer"}
    assert apply(anna) == {"acme": "viewer"}
    assert acts() == []


def test_a_flag_goes_with_the_group_that_gave_it(anna: User) -> None:
    apply(anna, "ops")
    assert (anna.is_staff, anna.is_superuser) == (True, True)
    apply(anna, "desk")
    assert (anna.is_staff, anna.is_superuser) == (True, False)
    apply(anna)
    assert (anna.is_staff, anna.is_superuser) == (False, False)
    assert acts().count("change_user") == 3


def test_a_flag_that_was_given_by_hand_stays(anna: User) -> None:
    User.objects.update(is_superuser=True, is_staff=True)
    anna.refresh_from_db()
    apply(anna, "ops")
    apply(anna)
    assert (anna.is_staff, anna.is_superuser) == (True, True)
    assert not ClaimedFlags.objects.exists()


def test_a_project_that_there_is_not_gives_nothing(anna: User, caplog: pytest.LogCaptureFixture) -> None:
    assert apply(anna, "ghosts") == {}
    assert "nowhere" in caplog.text

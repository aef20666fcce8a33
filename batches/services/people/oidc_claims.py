"""oidc_claims: the groups that an OIDC provider names give roles and flags, and take them away again, at each sign-in.

Claims take away only roles and flags that claims gave. Those given by hand stay.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from batches.models import ClaimedFlags, Membership, Project, Role
from batches.rules.actors import Actor
from batches.rules.states import Source
from batches.services.core.audit import record_act

logger = logging.getLogger(__name__)

CLAIMS = Actor("claims", Source.CONSOLE)
STAFF, ADMIN = "staff", "admin"
_RANKS = list(Role)


@dataclass(frozen=True, slots=True)
class ClaimedRights:
    """The roles that claims give, by project slug, and the flags of the account."""

    roles: Mapping[str, Role]
    is_staff: bool
    is_superuser: bool

    def __bool__(self) -> bool:
        return bool(self.roles) or self.is_staff or self.is_superuser


def given_by(groups: Collection[str], rules: Mapping[str, Sequence[str]]) -> ClaimedRights:
    """The roles and flags that these groups give by OIDC_GROUPS. Of several roles in one project the highest counts."""
    gifts = {gift for group in groups for gift in rules.get(group, ())}
    roles: dict[str, Role] = {}
    for gift in gifts - {STAFF, ADMIN}:
        slug, _, word = gift.partition(":")
        roles[slug] = max(Role(word), roles.get(slug, Role.VIEWER), key=_RANKS.index)
    return ClaimedRights(roles, is_staff=bool(gifts & {STAFF, ADMIN}), is_superuser=ADMIN in gifts)


@transaction.atomic
def apply_claims(user: User, given: ClaimedRights, *, now: datetime) -> None:
    """Make a person's roles and flags match their claims. Each change is recorded."""
    _apply_flags(user, given, now=now)
    wanted = {project: given.roles[project.slug] for project in Project.objects.filter(slug__in=given.roles)}
    for slug in given.roles.keys() - {project.slug for project in wanted}:
        logger.warning("OIDC_GROUPS gives a role in the project %s, which there is not", slug)
    kept = {membership.project_id: membership for membership in Membership.objects.filter(user=user).select_related("project")}
    for membership in kept.values():
        if membership.by_claims and membership.project not in wanted:
            _record("remove_membership", membership, now=now)
            membership.delete()
    for project, role in wanted.items():
        known = kept.get(project.pk)
        if known is None:
            _record("add_membership", Membership.objects.create(user=user, project=project, role=role, by_claims=True), now=now)
        elif known.by_claims and known.role != role:
            known.role = role
            known.save(update_fields=["role"])
            _record("change_membership", known, now=now)


def record_new_person(user: User, *, now: datetime) -> None:
    """Record that claims made an account."""
    record_act("add_user", actor=CLAIMS, now=now, target=user)


def record_link(user: User, *, now: datetime) -> None:
    """Record that an account was linked to the OIDC identity with its e-mail address. allauth removes its password."""
    record_act("link_account", actor=CLAIMS, now=now, target=user)


def _apply_flags(user: User, given: ClaimedRights, *, now: datetime) -> None:
    claimed = ClaimedFlags.objects.filter(user=user).first() or ClaimedFlags(user=user)
    changed = []
    for flag in ("is_staff", "is_superuser"):
        wanted, has, by_claims = getattr(given, flag), getattr(user, flag), getattr(claimed, flag)
        if wanted != has and (wanted or by_claims):
            setattr(user, flag, wanted)
            setattr(claimed, flag, wanted)
            changed.append(flag)
    if changed:
        user.save(update_fields=changed)
        claimed.save()
        record_act("change_user", actor=CLAIMS, now=now, target=user, reason=", ".join(changed))


def _record(act: str, membership: Membership, *, now: datetime) -> None:
    record_act(act, actor=CLAIMS, now=now, target=membership, project=membership.project)

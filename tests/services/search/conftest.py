"""The people who search, and batches to be found."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from batches.models import Membership, Project, Role
from batches.rules.states import Source
from batches.services.core.access import access_of
from batches.services.search.scope import Scope, scope_of_person
from providers.models import Provider
from tests.console.conftest import MakeBatch


def member(project: Project, role: Role = Role.OPERATOR) -> Scope:
    person = User.objects.create_user(f"{role} of {project}")
    Membership.objects.create(user=person, project=project, role=role)
    return scope_of_person(access_of(person, source=Source.CONSOLE), now=timezone.now())


@pytest.fixture
def scope(project: Project) -> Scope:
    """An operator of `project`."""
    return member(project)


@pytest.fixture
def make_batch(project: Project, simulator: Provider) -> MakeBatch:
    return MakeBatch(project, simulator)

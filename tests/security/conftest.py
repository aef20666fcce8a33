"""The cast of the security tests."""

import pytest
from django.utils import timezone

from batches.models import EmergencyStop, Project
from providers.models import Provider
from tests.admin.conftest import Furnish
from tests.api.conftest import native
from tests.console.conftest import MakeBatch, console, count_queries, make_batch, member
from tests.security.tenancy.tenants import Tenant, tenant_of
from tests.upstream import upstream

__all__ = ["console", "count_queries", "make_batch", "member", "native", "upstream"]


@pytest.fixture
def tenant(project: Project, simulator: Provider, make_batch: MakeBatch) -> Tenant:
    """A tenant with one row of everything. Every text of the rows is the canary."""
    batch = Furnish(project, simulator, make_batch)()
    EmergencyStop.objects.create(what="sending", project=project, reason="r", began_at=timezone.now(), began_by="user x")
    return tenant_of(batch, but=simulator)

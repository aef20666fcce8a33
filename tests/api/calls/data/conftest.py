"""A batch that ended, with every outcome in it."""

import pytest
from pytest_django import Settings

from batches.models import Batch, Project
from providers.models import Provider
from tests.services.pruned import mixed


@pytest.fixture
def batch(project: Project, simulator: Provider, settings: Settings) -> Batch:
    return mixed(project, settings, prefix="somebody")

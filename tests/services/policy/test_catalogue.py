"""C3: which models a project may name, and who owns each."""

import pytest
from django.utils import timezone

from batches.models import Batch, Project, ProviderGrant
from batches.services.policy.catalogue import ModelNotFound, find_model, models_of
from providers.models import Provider, ProviderModel
from tests.cast import request_lines, submitted

pytestmark = pytest.mark.django_db


def provider(name: str, **settings: object) -> Provider:
    return Provider.objects.create(name=name, **{"adapter": "openai", "base_url": "https://host/v1", **settings})


def priced(owner: Provider, name: str) -> None:
    ProviderModel.objects.create(provider=owner, name=name)


def offered(project: Project) -> dict[str, str]:
    """The ids of models with the names of their providers."""
    return {model.id: model.provider.name for model in models_of(project)}


def seen(project: Project, name: str, *, at: Provider, began: bool = True) -> Batch:
    batch = submitted(project, request_lines(1), provider_name=at.name)
    Batch.objects.filter(pk=batch.pk).update(model=name, in_progress_at=timezone.now() if began else None)
    return batch


def test_models_come_from_settings_options_batches_and_the_simulator(project: Project, simulator: Provider) -> None:
    own = provider("gateway", options={"models": {"small": "vendor/small-v2"}})
    priced(own, "meta-llama/Llama-3")
    seen(project, "seen-lately", at=own)
    seen(project, "gateway/qualified", at=own)
    seen(project, "refused", at=own, began=False)
    assert offered(project) == {
        "simulator/any": "simulator",
        "small": "gateway",
        "meta-llama/Llama-3": "gateway",
        "seen-lately": "gateway",
        "qualified": "gateway",
    }


def test_what_a_project_may_not_use_is_not_listed(project: Project, other_project: Project, simulator: Provider) -> None:
    theirs = provider("theirs", granted_to_all=False)
    ProviderGrant.objects.create(project=other_project, provider=theirs)
    priced(theirs, "secret")
    priced(provider("off", enabled=False), "asleep")
    seen(other_project, "of-another", at=simulator)
    assert offered(project) == {"any": "simulator"}
    assert offered(other_project) == {"simulator/any": "simulator", "secret": "theirs", "simulator/of-another": "simulator"}


def test_a_name_that_several_have_belongs_to_the_default(project: Project, simulator: Provider) -> None:
    first, second = provider("alpha"), provider("beta", is_default=True)
    for owner in (first, second):
        priced(owner, "m")
    assert offered(project) == {"simulator/any": "simulator", "m": "beta", "alpha/m": "alpha"}
    ProviderGrant.objects.create(project=project, provider=first, is_default=True)
    assert offered(project) == {"simulator/any": "simulator", "m": "alpha", "beta/m": "beta"}


def test_a_model_is_found_by_its_id_and_behind_its_provider(project: Project, simulator: Provider) -> None:
    priced(provider("gateway"), "meta-llama/Llama-3")
    models = models_of(project)
    for text in ("meta-llama/Llama-3", "gateway/meta-llama/Llama-3"):
        assert find_model(models, text).provider.name == "gateway"
    for text in ("llama-3", "Llama-3", "simulator/meta-llama/Llama-3", "", "\0"):
        with pytest.raises(ModelNotFound):
            find_model(models, text)


def test_a_plain_name_is_offered_only_where_a_create_call_without_a_provider_goes(project: Project, simulator: Provider) -> None:
    for owner in (provider("alpha"), provider("beta")):
        priced(owner, f"of-{owner.name}")
    assert offered(project) == {"alpha/of-alpha": "alpha", "beta/of-beta": "beta", "simulator/any": "simulator"}
    Provider.objects.filter(name="beta").update(is_default=True)
    assert offered(project) == {"alpha/of-alpha": "alpha", "of-beta": "beta", "simulator/any": "simulator"}

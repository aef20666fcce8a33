"""U5: a held provider in the native API, and the acts of an administrator on its hold."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from batches.models import AuditEntry, ProviderHealth, Role
from batches.rules.states import BatchStatus
from providers.failures import Kind
from providers.models import Provider
from tests.api.conftest import Native
from tests.console.conftest import MakeBatch

SINCE = timezone.now() - timedelta(minutes=5)
NEXT = timezone.now() + timedelta(minutes=5)


@pytest.fixture
def hold(simulator: Provider) -> ProviderHealth:
    return ProviderHealth.objects.create(
        provider=simulator,
        concurrency=8,
        hold_kind=Kind.AUTHENTICATION.value,
        hold_strikes=7,
        held_since=SINCE,
        probe_at=NEXT,
        updated_at=SINCE,
    )


@pytest.fixture
def administrator(operator: User) -> Native:
    return Native(user=operator)


def moment(text: str) -> object:
    return text.replace("Z", "+00:00")


def test_a_provider_tells_of_its_hold(native: Native, hold: ProviderHealth) -> None:
    for answer in (native.get("providers/simulator").json, native.get("providers").json["data"][0]):
        assert answer["hold"] == {
            "kind": "authentication",
            "sentence": Kind.AUTHENTICATION.sentence,
            "account_problem": True,
            "since": answer["hold"]["since"],
            "failures": 7,
            "next_try_at": answer["hold"]["next_try_at"],
        }


def test_a_provider_without_one_has_null(native: Native, simulator: Provider) -> None:
    assert native.get("providers/simulator").json["hold"] is None
    ProviderHealth.objects.create(provider=simulator, model="m", concurrency=1, hold_kind="rate_limited", updated_at=SINCE)
    assert native.get("providers/simulator").json["hold"] is None, "one model is not the provider"


def test_a_batch_tells_why_it_waits_and_is_found_by_it(native: Native, make_batch: MakeBatch, hold: ProviderHealth) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    waiting = native.get(f"batches/{batch}").json["waiting"]
    assert waiting["code"] == "account_problem"
    assert waiting["details"]["provider"] == "simulator"
    assert (waiting["details"]["kind"], waiting["details"]["failures"]) == ("authentication", 7)
    assert [found["id"] for found in native.get("batches?condition=account_problem").json["data"]] == [str(batch)]


def test_an_administrator_of_the_portal_resumes_a_provider(administrator: Native, hold: ProviderHealth) -> None:
    answer = administrator.post("providers/simulator/resume", {"reason": "Topped up."})
    assert (answer.status, answer.json["hold"]) == (200, None)
    hold.refresh_from_db()
    assert hold.resumed_at is not None
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.reason, entry.source) == ("resume_provider", "Topped up.", "api")
    assert administrator.post("providers/simulator/resume").status == 200, "again: nothing changes"
    assert AuditEntry.objects.count() == 1


def test_an_administrator_of_the_portal_checks_a_provider(administrator: Native, hold: ProviderHealth) -> None:
    answer = administrator.post("providers/simulator/check")
    assert (answer.status, answer.json["ok"]) == (200, True)
    hold.refresh_from_db()
    assert hold.probe_asked_at is not None
    assert AuditEntry.objects.get().act == "check_provider"


@pytest.mark.parametrize("act", ["check", "resume"])
class TestRefused:
    def test_a_key_may_not(self, native: Native, hold: ProviderHealth, act: str) -> None:
        answer = native.post(f"providers/simulator/{act}")
        assert (answer.status, answer.json["error"]["code"]) == (403, "permission_denied")
        entry = AuditEntry.objects.get()
        assert (entry.outcome, entry.act, entry.target) == ("refused", f"{act}_provider", "simulator")

    def test_an_admin_of_a_project_may_not(
        self, signed_in: Callable[..., Native], project: object, hold: ProviderHealth, act: str
    ) -> None:
        assert signed_in(Role.ADMIN).post(f"providers/simulator/{act}").status == 403
        assert AuditEntry.objects.get().outcome == "refused"

    def test_what_is_not_understood_changes_nothing(self, administrator: Native, hold: ProviderHealth, act: str) -> None:
        assert administrator.post(f"providers/simulator/{act}", {"force": True}).status == 400
        assert administrator.post(f"providers/nothing/{act}").status == 404
        assert administrator.post(f"providers/simulator/{act}?force=1").status == 400
        assert not AuditEntry.objects.exists()


def test_the_document_names_both_acts_and_the_hold(native: Native) -> None:
    document = native.get("/api/schema?format=json").json
    paths = document["paths"]
    assert paths["/api/v1/providers/{name}/check"]["post"]["operationId"] == "check_provider"
    assert paths["/api/v1/providers/{name}/resume"]["post"]["operationId"] == "resume_provider"
    assert "ProviderHold" in document["components"]["schemas"]

"""Recent activity on the overview: what people did, each act once."""

import re

from django.test import Client

from batches.models import Batch, BulkOperation, Project, Role
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.access import Access
from batches.services.core.transition import transition
from providers.models import Provider
from tests.console.conftest import MakeBatch, SignIn
from tests.services.bulk.cast import done, member_of, ordered
from tests.services.bulk.conftest import root

__all__ = ["root"]


def activity(client: Client) -> list[str]:
    page = client.get("/console/overview/").content.decode()
    found = page[page.index('id="activity-title"') :]
    items = re.findall(r"<li>(.*?)</li>", found[: found.index("</section>")], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", item).split()) for item in items]


def cancelled(batches: list[Batch]) -> None:
    for batch in batches:
        batch.refresh_from_db()
        transition(batch, BatchStatus.CANCELLED, actor=ENGINE, now=batch.updated_at)


def test_o25_a_bulk_cancel_is_one_act_of_its_person(console: Client, root: Access, running: list[Batch]) -> None:
    """O25: a bulk cancel was told as many acts of "engine"."""
    operation = done(ordered(root, running))
    cancelled(running)
    told = activity(console)
    assert told[0].startswith("Cancel 3 batches A wrong prompt ·")
    assert told[0].endswith("· user operator")
    assert not [one for one in told if "Cancel" in one][1:]
    assert f'href="/console/bulk/{operation.pk}/"' in console.get("/console/overview/").content.decode()


def test_a_single_cancel_is_an_act_of_its_person_and_not_of_the_engine(console: Client, running: list[Batch]) -> None:
    address = f"/console/batches/{running[0]}/cancel/"
    console.post(address, {"reason": "Not needed"})
    running[0].refresh_from_db()
    cancelled(running[:1])
    assert next(one for one in activity(console) if "Number 0" in one).endswith("user operator")
    assert "Cancelling" in activity(console)[0]


def test_a_move_names_its_target_only_to_readers_who_may_know_it(
    member: SignIn, root: Access, running: list[Batch], console: Client
) -> None:
    Provider.objects.create(name="of-others", adapter="simulator", granted_to_all=False)
    BulkOperation.objects.filter(pk=done(ordered(root, running)).pk).update(act="reroute", parameters={"provider": "of-others"})
    assert activity(console)[0].startswith("Move 3 batches to of-others")
    assert activity(member(Role.VIEWER))[0].startswith("Move 3 batches A wrong prompt")


def test_an_operation_is_counted_and_linked_for_its_reader(
    member: SignIn, running: list[Batch], make_batch: MakeBatch, other_project: Project, project: Project, console: Client
) -> None:
    foreign = make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    operation = done(ordered(member_of(project, other_project), [*running, foreign]))
    viewer = member(Role.VIEWER)
    assert activity(viewer)[0].startswith("Cancel 3 batches")
    assert f"/console/bulk/{operation.pk}/" not in viewer.get("/console/overview/").content.decode()
    assert activity(console)[0].startswith("Cancel 4 batches")


def test_o25_a_batch_leads_to_the_operation_that_it_was_a_part_of(
    console: Client, member: SignIn, root: Access, running: list[Batch]
) -> None:
    """O25: the batch did not link to the operation."""
    operation = done(ordered(root, running))
    viewer = member(Role.VIEWER)
    for page in ("", "history/"):
        address = f"/console/batches/{running[0]}/{page}"
        text = console.get(address).content.decode()
        assert f'href="/console/bulk/{operation.pk}/">Bulk operation on 3 batches</a>' in text
        theirs = viewer.get(address).content.decode()
        assert "Bulk operation" in theirs
        assert str(operation.pk) not in theirs

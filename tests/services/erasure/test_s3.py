"""An erased value is in no byte of any object of a bucket, nor of any version that a bucket keeps of what was erased."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Erasure, File, Project
from batches.services.consistency.verify import disagreements
from batches.services.erasure.erase import ask, run
from batches.services.erasure.subject import Subject
from batches.services.results.results import results
from batches.services.storage import versions
from tests.cast import TESTER, request_line, request_lines, stored
from tests.services.pruned import mixed, prune_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator", "bucket")]

WHO = "somebody-7"


def having(bucket: Any, text: str) -> list[str]:
    """The objects whose bytes have a text, in whatever version that the bucket keeps."""
    found = []
    for version in bucket.object_versions.all():
        try:
            body = version.get()["Body"].read()
        except ClientError:  # it marks a deletion, and has no bytes
            continue
        found += [version.object_key] if text.encode() in body else []
    return found


def refuse(**_: object) -> None:
    """Do as a bucket that forbids the call."""
    raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectVersions")


def erased(project: Project, subject: Subject) -> Erasure:
    erasure = ask(project, subject, reason="A letter.", actor=TESTER, now=timezone.now())
    done = run(erasure.pk, now=timezone.now())
    assert done is not None
    assert done.ended_at is not None
    return done


@pytest.mark.parametrize("keeps", [False, True], ids=["plain", "versions"])
@pytest.mark.parametrize("pruned", [False, True], ids=["rows", "files"])
def test_an_erased_custom_id_is_in_no_byte_of_any_object(
    project: Project, settings: Settings, bucket: Any, keeps: bool, pruned: bool
) -> None:
    if keeps:
        bucket.Versioning().enable()
    batch = mixed(project, settings, prefix="somebody")
    stored(project, request_lines(2, prefix="other") + request_line(WHO))
    batch = prune_rows(batch) if pruned else batch
    before = list(results(batch))
    assert len(having(bucket, WHO)) == 3, "an input, an output, and a file of no batch"

    receipt = erased(project, Subject(WHO))

    assert having(bucket, WHO) == []
    assert receipt.left == []
    names = set(File.objects.filter(purged_at=None).values_list("content", flat=True))
    assert {found.key for found in bucket.objects.all()} == names
    batch.refresh_from_db()
    after = list(results(batch))
    assert [(row.line, row.status) for row in after] == [(row.line, row.status) for row in before]
    assert [row.body for row in after if row.line != 7] == [row.body for row in before if row.line != 7]
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []


@pytest.mark.parametrize("keeps", [False, True], ids=["plain", "versions"])
def test_of_an_erased_pair_the_files_of_its_batches_are_gone_with_their_versions(
    project: Project, settings: Settings, bucket: Any, keeps: bool
) -> None:
    if keeps:
        bucket.Versioning().enable()
    mixed(project, settings, prefix="somebody")
    Batch.objects.update(metadata={"customer": "c-17"})
    receipt = erased(project, Subject("c-17", "customer"))
    assert receipt.left == []
    assert having(bucket, "somebody") == []
    assert list(bucket.objects.all()) == []


def test_versions_of_a_name_that_only_begins_alike_stay(bucket: Any) -> None:
    bucket.Versioning().enable()
    for name in ("files/a", "files/ab"):
        bucket.put_object(Key=name, Body=b"x")
    assert versions.delete_versions("files/a") == ""
    assert [version.object_key for version in bucket.object_versions.all()] == ["files/ab"]


def test_the_receipt_says_which_versions_could_not_be_deleted(project: Project, settings: Settings, bucket: Any) -> None:
    bucket.Versioning().enable()
    mixed(project, settings, prefix="somebody")
    default_storage.connection.meta.client.meta.events.register("before-call.s3.ListObjectVersions", refuse)  # type: ignore[attr-defined]
    receipt = erased(project, Subject(WHO))
    assert len(receipt.left) == 2
    assert all("Versions that the bucket may keep of" in sentence and WHO not in sentence for sentence in receipt.left)
    assert receipt.ended_at is not None

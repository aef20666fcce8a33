"""No act can be forgotten by the audit log: whatever moves a state, or is written for a person, leaves a record."""

from tests.services.recorded import acting, leaves_record, used_by_faces, writes

# What a face may write without a record, and why. Everything else that writes has to leave one.
TRAFFIC = {
    ("batches.services.backup.make", "back_up"): "it reads a snapshot and changes nothing of the portal",
    ("batches.services.backup.restore", "check"): "it reads a backup and changes nothing",
    ("batches.services.backup.restore", "restore"): "it works on an empty system, whose audit log it brings back as it was",
    ("batches.services.consistency.orphans", "remove_orphan_file"): "bytes that no row knows",
    ("batches.services.consistency.orphans", "remove_orphans"): "rows of a batch that is gone",
    ("batches.services.core.lease", "free_all"): "leases of workers that died with the process",
    ("batches.services.intake.drafts", "keep_draft"): "its draft is a file with its time and project",
    ("batches.services.intake.idempotency", "made_once"): "what it makes is recorded by its own service",
    ("batches.services.intake.idempotency", "note_read"): "the engine's own note for repeated calls",
    ("batches.services.intake.idempotency", "note_use"): "the engine's own note for repeated calls",
    ("batches.services.intake.uploads", "add_part"): "traffic of clients; the upload is a row of its own",
    ("batches.services.intake.uploads", "cancel_upload"): "traffic of clients; the upload is a row of its own",
    ("batches.services.intake.uploads", "complete_upload"): "traffic of clients; the upload is a row of its own",
    ("batches.services.intake.uploads", "start_upload"): "traffic of clients; the upload is a row of its own",
    ("batches.services.storage.store", "store"): "traffic of clients; the file is a row of its own",
}


def test_whatever_takes_an_actor_and_writes_leaves_a_record() -> None:
    """O15"""
    writers = {function for function in acting() if writes(function)}
    assert len(writers) > 40
    assert sorted(function for function in writers if not leaves_record(function) and function[1] != "_record") == []


def test_whatever_a_face_has_written_leaves_a_record_or_is_traffic() -> None:
    """O15"""
    unrecorded = {function for function in used_by_faces() if writes(function) and not leaves_record(function)}
    assert sorted(unrecorded - TRAFFIC.keys()) == []
    assert sorted(TRAFFIC.keys() - unrecorded) == [], "what is recorded now needs no excuse"

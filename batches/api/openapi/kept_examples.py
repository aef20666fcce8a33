"""Examples of answers about retention, legal holds, stored bytes and erasures."""

from typing import Any

BATCH_ID = "batch_019bd3a1c0de7b33a9d41f52c8e07a66"
HOLD_ID = "hold_019bd3a2167a7d55b8c3e0a1f4d2c968"
ERASURE_ID = "erasure_019bd3a2278b7e66a9d4f1b205e3da79"

_ERASURE: dict[str, Any] = {
    "asked_by": "key nightly-jobs",
    "batch_count": 1,
    "batch_ids": [BATCH_ID],
    "digest": "7c1d0f5a3b8e4c6d9f2a1b0c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e",
    "erased": {"lines of files": 2, "requests": 1, "results": 1},
    "kind": "custom_id",
    "left": [],
    "reason": "Ticket 4711: the customer asked for it.",
    "receipt": [f"{ERASURE_ID}: custom_id in project acme", "Erased requests: 1."],
    "salt": "3f9c2b7a1d8e4f605b6c7d8e9fa0b1c2",
    "status": "ended",
}
KEPT: dict[str, Any] = {
    "RetentionTerm.kind": "bodies",
    "RetentionTerm.days": 30,
    "RetentionTerm.own_days": 30,
    "RetentionTerm.set_by": "key nightly-jobs",
    "RetentionTerm.setting": "BODIES_RETENTION_DAYS",
    "RetentionTerm.least_days": 1,
    "RetentionTerm.most_days": 36_500,
    "StoredKind.kind": "inputs",
    "StoredKind.files": 4,
    "LegalHold.active": True,
    "LegalHold.batch_id": BATCH_ID,
    "LegalHold.placed_by": "key nightly-jobs",
    "LegalHold.reason": "Case 12 C 34/26.",
    "LegalHold.release_reason": "",
    "LegalHold.released_at": None,
    "LegalHold.released_by": "",
    **{f"{component}.{name}": value for component in ("Erasure", "ErasureDetail") for name, value in _ERASURE.items()},
    "ErasedProviderJob.marker": "by019bd3a1d2f07c44b0e1a86390b4c215",
    "ErasedProviderJob.provider": "gateway",
    "ErasurePreview.batch_count": 1,
    "ErasurePreview.batch_ids": [BATCH_ID],
    "ErasurePreview.files": 3,
    "ErasurePreview.obstacles": [],
    "ErasurePreview.requests": 1,
    "ErasurePreview.results": 1,
}

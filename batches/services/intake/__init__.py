"""The intake of batches: uploads, drafts, inline requests, checks before sending, repeated calls, and submissions.

This room knows `core`, `policy`, `people` and `storage`. Start with `submission`, which all callers build, and `submit`.
"""

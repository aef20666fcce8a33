"""How a batch comes in: uploads, drafts, inline requests, checks before sending, repeated calls, and the submission itself.

This room knows `core`, `policy`, `people` and `storage`. Start with `submission`, which every way in builds, and `submit`.
"""

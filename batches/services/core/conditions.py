"""The values of a batch's condition columns when the condition is over."""

from collections.abc import Mapping

NOT_PAUSED: Mapping[str, object] = {"paused_at": None, "paused_by": "", "paused_reason": ""}
NOT_THROTTLED: Mapping[str, object] = {"throttled_until": None, "throttled_reason": "", "throttled_by": ""}
NOT_BLOCKED: Mapping[str, object] = {"blocked_until": None, "blocked_reason": ""}

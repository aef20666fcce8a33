"""HTTP to upstreams: one request, one reply, nothing behind the caller's back."""

from providers.transport.fast import MAX_ERROR_BYTES, Reply, Transport, retry_after

__all__ = ["MAX_ERROR_BYTES", "Reply", "Transport", "retry_after"]

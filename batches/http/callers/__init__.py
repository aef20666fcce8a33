"""Who calls, and how much callers may do: addresses and accepted keys, rates by the minute, calls in progress.

The web server's front asks `senders`, too, before Django sees a call. Start with `call_limits`.
"""

"""Webhooks in the engine: the loop that sends events to their receivers. Every decision is in `services.webhooks`.

`deliverer` is the loop, and `sender` makes the calls: through the guard against private addresses, without redirects.
"""

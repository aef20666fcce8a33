"""Webhooks: the receivers of a project's events, and the log of what was sent to them.

This room knows the core, and legal holds. The deliveries of a batch's events are written by `core.outbox`, in the transaction
of the event; `batches.engine.webhooks` sends them. Start with `endpoints`, then `due`, which leases deliveries, and `outcomes`.
"""

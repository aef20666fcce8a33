"""Notices: the events that people are told of, by e-mail or in a chat. A subscription says of what, where and how often.

This room knows the core and, of webhooks, where may be sent to and when a try is repeated. Notices are written by
`core.outbox`, in the transaction of the event; `batches.engine.webhooks` sends them. Start with `subscriptions`, then
`parcels`, which leases and records messages, and `messages`, which writes them.
"""

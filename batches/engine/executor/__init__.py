"""The executor: one event loop with many requests in flight, and one thread for everything that blocks.

The executor leases slices through `services.lifecycle`, sends the objects that `lanes` let through, and hands in their
outcomes. Start with `execute`.
"""

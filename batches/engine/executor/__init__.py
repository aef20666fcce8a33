"""The executor: one event loop with many requests in flight, and one thread for everything that blocks.

It leases slices through `services.lifecycle`, sends what `lanes` let through, and hands in outcomes. Start with `execute`.
"""

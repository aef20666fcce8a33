"""Delegation in the engine: the loop that speaks to the providers' batch APIs. Every decision is in `services.delegation`.

`delegator` is the loop. `steps` has one step for each state of a job, `drivers` the connections, and `database` the thread
for everything that blocks.
"""

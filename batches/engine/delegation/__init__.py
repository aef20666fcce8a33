"""Delegation in the engine: the loop that speaks to the providers' batch APIs. Every decision is in `services.delegation`.

`delegator` is the loop. `steps` has one step for each state of a job, and `drivers` the connections.
"""

"""The engine runs batches: Celery tasks that call services, the executor that speaks to upstreams, and the shared limits.

The engine knows services and providers. Other parts of the portal reach it only by a wake (`services.core.wake`). Start with
`tasks`, then `executor.execute`.
"""

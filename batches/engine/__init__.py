"""What runs batches: Celery tasks that call services, the executor that speaks to upstreams, and the limits executors share.

The engine knows services and providers; nothing but a wake (`services.core.wake`) reaches it. Start with `tasks`, then
`executor.execute`.
"""

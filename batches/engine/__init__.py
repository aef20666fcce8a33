"""What runs batches: Celery tasks over the services, and the executor that speaks to upstreams."""

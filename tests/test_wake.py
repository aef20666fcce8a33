"""A message that cannot be sent is no error of whoever wanted to send it."""

import pytest
import redis
from django.conf import settings

from batches import wake


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_a_broker_that_takes_no_messages_is_left_to_reconcile() -> None:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.config_set("maxmemory", 1)
    try:
        wake.execute()
    finally:
        broker.config_set("maxmemory", 0)

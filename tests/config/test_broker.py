"""A Redis that is away just when a message is acknowledged."""

import logging
from pathlib import Path

import pytest
from celery import current_app
from kombu import Connection

from config import broker
from tests.servers import redis_server


def test_a_worker_reads_on_although_it_could_not_acknowledge(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert current_app.main == "batchyard"
    tmp_path.chmod(0o755)
    with redis_server(tmp_path) as url:
        connection = Connection(url)
        channel = connection.default_channel
        assert isinstance(channel, broker.Channel)
        with connection.SimpleQueue("control") as queue:
            queue.put("look")
        channel.basic_qos(0, 1, False)
        message = channel.basic_get("control")
        assert message is not None
        assert not channel.qos.can_consume()
    message.ack_log_error(logging.getLogger("tests"), connection.connection_errors)
    assert "Couldn't ack" in caplog.text
    assert channel.qos.can_consume()
    channel.qos.restore_at_shutdown = False  # nothing is there any more to which it could be given back

"""A Redis that is away just when a message is acknowledged."""

import logging
from pathlib import Path

import pytest
from celery import current_app
from kombu import Connection
from kombu.exceptions import OperationalError

from config.backends import broker
from tests.servers import free_port, redis_server


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


def test_whoever_lost_the_broker_tries_again_at_least_once_a_second() -> None:
    """E17: kombu's pauses grow to thirty seconds, and a worker sleeps through the broker's return."""
    pauses: list[float] = []
    connection = broker.Connection(f"redis://127.0.0.1:{free_port()}/0")

    def note(_: Exception, pause: float) -> None:
        pauses.append(pause)

    with pytest.raises(OperationalError):
        connection.ensure_connection(note, max_retries=3)

    assert len(pauses) == 3
    assert max(pauses) <= broker.LONGEST_RETRY_SECONDS
    assert isinstance(current_app.connection_for_read(), broker.Connection)


def test_a_message_that_is_sent_reaches_a_broker_that_was_started_anew(tmp_path: Path) -> None:
    """E17: kombu connects again on its own account, with arguments of its own."""
    tmp_path.chmod(0o755)
    port = free_port()
    with redis_server(tmp_path, port=port) as url:
        connection = broker.Connection(url)
        producer = connection.Producer()
        producer.publish("first", routing_key="control", retry=True)
    with redis_server(tmp_path, port=port):
        producer.publish("second", routing_key="control", retry=True, retry_policy={"max_retries": 3})
        with connection.SimpleQueue("control") as queue:
            queue.get(block=False).ack()
        connection.close()

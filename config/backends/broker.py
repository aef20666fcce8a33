"""Celery's connection to the broker: kombu's connections and its transport for Redis, each with one correction."""

from typing import Any

import kombu
from celery.app import amqp
from kombu.transport import TRANSPORT_ALIASES, redis, virtual

RETRY_SECONDS = 0.2  # the pause before the first attempt to reach a lost broker; each later pause is longer by as much
LONGEST_RETRY_SECONDS = 1.0


class QoS(redis.QoS):
    """The messages that were delivered to this worker and not acknowledged. Their number is bounded by the prefetch limit."""

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message, and stop counting it even if Redis does not answer.

        Else the message would count for ever. If such messages reached the prefetch limit, the worker would stop reading, would
        not notice that its connection has ended, and would never make another.
        """
        try:
            super().ack(delivery_tag)
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)
            raise


class Channel(redis.Channel):
    QoS = QoS


class Transport(redis.Transport):
    Channel = Channel


class Connection(kombu.Connection):
    """A connection that notices within a second that a lost broker is back. kombu's own pauses for up to thirty seconds."""

    def _ensure_connection(
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: float = RETRY_SECONDS,
        interval_step: float = RETRY_SECONDS,
        interval_max: float = LONGEST_RETRY_SECONDS,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        pauses: Any = (interval_start, interval_step, interval_max)  # kombu's types say int, but floats work too
        return super()._ensure_connection(errback, max_retries, *pauses, *args, **kwargs)


class AMQP(amqp.AMQP):
    Connection = Connection


def install() -> None:
    """Make Celery use this transport for all its connections to Redis."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"

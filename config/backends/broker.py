"""How Celery reaches the broker: kombu's own connections and transport for Redis, mended in one place."""

from typing import Any

import kombu
from celery.app import amqp
from kombu.transport import TRANSPORT_ALIASES, redis, virtual

RETRY_SECONDS = 0.2  # before the first attempt to reach a lost broker again; each further pause is as much longer
LONGEST_RETRY_SECONDS = 1.0


class QoS(redis.QoS):
    """What was delivered to this worker and is not acknowledged: no more than it may prefetch."""

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge. When Redis is away just then the message counts no more either.

        Otherwise it would count for ever; with as many of these as may be prefetched, a worker reads nothing any more, does
        not even notice that its connection has ended, and so never makes another.
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
    """A connection whose owner hears of a broker that is back within a second, where kombu pauses for up to thirty."""

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
        pauses: Any = (interval_start, interval_step, interval_max)  # floats do as well as what kombu's types say
        return super()._ensure_connection(errback, max_retries, *pauses, *args, **kwargs)


class AMQP(amqp.AMQP):
    Connection = Connection


def install() -> None:
    """Have every connection to Redis that Celery makes use it."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"

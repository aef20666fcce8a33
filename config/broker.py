"""The broker's transport: kombu's own for Redis, mended in one place."""

from kombu.transport import TRANSPORT_ALIASES, redis, virtual


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


def install() -> None:
    """Have every connection to Redis that Celery makes use it."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"

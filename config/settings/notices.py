"""Settings of notices: the mail server, and how people are told of events."""

from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from config.knobs import is_loopback, knob, seconds, secret, whole

_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def mail_server(raw: str) -> dict[str, Any]:
    """A parser of the address of a mail server, such as `smtp+tls://user:password@mail.example:587`.

    `smtp+tls` encrypts by STARTTLS, `smtps` from the first byte, and `smtp` not at all. No error quotes the address.
    """
    try:
        url = urlsplit(raw)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if url.scheme not in _PORTS or not url.hostname or url.path.strip("/") or url.query or url.fragment or port == 0:
        raise ValueError(f"it must be {', '.join(_PORTS)}, then ://USER:PASSWORD@HOST:PORT")
    if url.password and url.scheme == "smtp" and not is_loopback(url.hostname):
        raise ValueError("a password is sent by smtp+tls or smtps only, or to this machine")
    return {
        "host": url.hostname,
        "port": port or _PORTS[url.scheme],
        "user": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "starttls": url.scheme == "smtp+tls",
        "tls": url.scheme == "smtps",
    }


def address(raw: str) -> str:
    """A parser of an e-mail address."""
    try:
        validate_email(raw)
    except ValidationError:
        raise ValueError("it must be an e-mail address such as batchyard@example.com") from None
    return raw


def _mail_server() -> dict[str, Any]:
    raw = secret("EMAIL_URL")
    try:
        return mail_server(raw) if raw else {}
    except ValueError as error:
        raise ImproperlyConfigured(f"EMAIL_URL is not valid: {error}") from None  # it is not quoted: it may hold a password


_mail = _mail_server()
EMAIL_HOST = _mail.get("host", "")  # empty: the portal sends no e-mail
EMAIL_PORT = _mail.get("port", 25)
EMAIL_HOST_USER = _mail.get("user", "")
EMAIL_HOST_PASSWORD = _mail.get("password", "")
EMAIL_USE_TLS = _mail.get("starttls", False)
EMAIL_USE_SSL = _mail.get("tls", False)
EMAIL_TIMEOUT = knob("EMAIL_TIMEOUT_SECONDS", seconds, 10.0)  # one step of the exchange with the mail server
DEFAULT_FROM_EMAIL = SERVER_EMAIL = knob("EMAIL_FROM", address, "")
if EMAIL_HOST and not DEFAULT_FROM_EMAIL:
    raise ImproperlyConfigured("EMAIL_URL is set but EMAIL_FROM is not: notices need the address of a sender.")

NOTICE_SUBSCRIPTIONS_PER_PERSON = knob("NOTICE_SUBSCRIPTIONS_PER_PERSON", whole(0), 20)
NOTICE_CALLS = knob("NOTICE_CALLS", whole(1, 100), 8)  # messages in flight in one deliverer
NOTICE_PAUSE_SECONDS = knob("NOTICE_PAUSE_SECONDS", whole(0), 60)  # from one message of a subscription to its next
NOTICE_DAILY_HOUR = knob("NOTICE_DAILY_HOUR", whole(0, 23), 6)  # when daily digests are sent, in UTC
NOTICE_LISTED = knob("NOTICE_LISTED", whole(1, 50), 10)  # the most batches that one message lists

"""Settings of logging."""

import logging

from django.core.exceptions import ImproperlyConfigured

from config.knobs import knob, word

LOG_LEVEL = knob("LOG_LEVEL", str.upper, "INFO")
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
    raise ImproperlyConfigured(f"LOG_LEVEL={LOG_LEVEL!r} is not valid: use DEBUG, INFO, WARNING, ERROR or CRITICAL")
LOG_FORMAT = knob("LOG_FORMAT", word("text", "json"), "text")  # json: one object a line, with the ids of request, task and batch
if LOG_FORMAT == "json":
    logging.captureWarnings(capture=True)  # Python's warnings are lines, too
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
        "json": {"()": "config.logs.JsonLines"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "uvicorn.error": {"level": "ERROR"},  # it warns of malformed requests: anybody can send a hundred a second
        "django.security.RequestDataTooBig": {"level": "CRITICAL"},  # the same
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # the answer tells it; anybody can send a hundred a second
    },
}

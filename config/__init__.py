"""The composition root: settings, URLs, Celery and WSGI entry points. Nothing else imports it."""

from config.celery import app as celery_app

__all__ = ["celery_app"]

"""Debug pages without secrets: no place on such a page may show a password or a key of the portal."""

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from providers.secrets.redaction import Secrets


class Filter(SafeExceptionReporterFilter):
    """Django's filter with more names of secrets. It also hides local variables that have such a name."""

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|CREDENTIAL|DATABASE|REDIS|BROKER|_URL|DSN|CONNINFO", re.IGNORECASE
    )

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        shown = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, self.cleanse_setting(name, value)) for name, value in shown]


class Reporter(ExceptionReporter):
    """Django's reporter, but the secrets are removed from its pages: the text of an error may quote a secret."""

    def get_traceback_html(self) -> SafeString:
        return mark_safe(portal_secrets().hidden_in(super().get_traceback_html()))  # noqa: S308 - the page was safe before

    def get_traceback_text(self) -> SafeString:
        return mark_safe(portal_secrets().hidden_in(super().get_traceback_text()))  # noqa: S308


def portal_secrets() -> Secrets:
    """The secrets that the settings hold."""
    urls = [url for url in (settings.DATABASE_URL, settings.REDIS_URL) if url]
    passwords = [unquote(password) for url in urls if (password := urlsplit(url).password)]
    others = [text for text in (settings.OIDC_CLIENT_SECRET, settings.METRICS_TOKEN, settings.EMAIL_HOST_PASSWORD) if text]
    return Secrets(*urls, *passwords, settings.SECRET_KEY, *settings.CREDENTIAL_KEYS, *others)

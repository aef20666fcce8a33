"""A credential may be in a file; and the values of extra headers, which were stored in the clear, are encrypted."""

import hashlib
import json
import logging
import re
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

logger = logging.getLogger(__name__)
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def encrypt_headers(apps: Any, _: Any) -> None:
    """Move the text of headers to the encrypted secrets, and leave references to these in its place.

    A provider whose secrets cannot be read with the keys at hand stays as it is: it cannot be used either, and its headers are
    encrypted when it is saved the next time.
    """
    cipher = MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
    for provider in apps.get_model("providers", "Provider").objects.all():
        headers = provider.options.get("headers") if isinstance(provider.options, dict) else None
        if not isinstance(headers, dict) or not any(isinstance(value, str) for value in headers.values()):
            continue
        stored = bytes(provider.secrets_encrypted)
        try:
            secrets = json.loads(cipher.decrypt(stored)) if stored else {}
        except InvalidToken:
            logger.warning("the secrets of provider %s cannot be read: its headers stay as they are", provider.name)
            continue
        for header, value in headers.items():
            if isinstance(value, str):
                name = secret_name(header)
                secrets[name] = value
                headers[header] = {"secret": name}
        provider.secrets_encrypted = cipher.encrypt(json.dumps(secrets).encode())
        provider.save(update_fields=["options", "secrets_encrypted"])


def secret_name(header: str) -> str:
    name = f"headers.{header}"
    return name if SECRET_NAME.fullmatch(name) else f"headers.{hashlib.sha256(header.encode()).hexdigest()[:40]}"


class Migration(migrations.Migration):
    dependencies = [("providers", "0003_secrets")]
    operations = [
        migrations.AddField(
            model_name="provider",
            name="credential_file",
            field=models.CharField(blank=True, db_default="", default="", max_length=128),
        ),
        migrations.RemoveConstraint(model_name="provider", name="provider_one_credential"),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.CheckConstraint(
                condition=Q(credential_env="", credential_file="")
                | Q(credential_env="", credential_encrypted=b"")
                | Q(credential_file="", credential_encrypted=b""),
                name="provider_one_credential",
            ),
        ),
        migrations.RunPython(encrypt_headers, migrations.RunPython.noop),
    ]

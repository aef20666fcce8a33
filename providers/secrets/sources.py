"""Sources of secrets outside of the database: environment variables that the settings allow, and the files of one folder.

An orchestrator can mount such a folder. Other variables and files are refused, because a person who may configure a
provider must not be able to read every secret of the portal's machines, such as the password of the database.
"""

import os
import re
from pathlib import Path

from django.conf import settings

ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # no separator and no leading dot: the file is in the folder
MAX_SECRET_CHARS = 32_768


class Missing(Exception):
    """A secret is not at its source, or must not be read from there. The message says which."""


def variable_problem(name: str) -> str | None:
    """The reason why a provider may not name a variable, as a sentence; None if it may."""
    if not ENVIRONMENT_NAME.fullmatch(name):
        return "This is not the name of an environment variable."
    listed: list[str] = settings.CREDENTIAL_VARIABLES
    if any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in listed):
        return None
    allowed = ", ".join(listed) or "none"
    return f"Providers may not name the variable {name}: CREDENTIAL_VARIABLES lets them name {allowed}."


def file_problem(name: str) -> str | None:
    """The reason why a provider may not name a file, as a sentence; None if it may."""
    if settings.CREDENTIALS_DIR is None:
        return "There is no folder of credentials: CREDENTIALS_DIR does not name one."
    if not FILE_NAME.fullmatch(name):
        return "This is not the name of a file in CREDENTIALS_DIR."
    return None


def variable(name: str) -> str:
    """The secret in a variable of this process. Raises Missing."""
    if problem := variable_problem(name):
        raise Missing(problem)
    if secret := os.environ.get(name):
        return secret
    raise Missing(f"Environment variable {name} is not set.")


def file(name: str) -> str:
    """The secret in a file of CREDENTIALS_DIR, without white space around it. Raises Missing."""
    if problem := file_problem(name):
        raise Missing(problem)
    assert settings.CREDENTIALS_DIR is not None
    folder = Path(settings.CREDENTIALS_DIR).resolve()
    try:
        path = (folder / name).resolve(strict=True)  # mounted secrets are links to other places in the folder
        if not path.is_relative_to(folder) or not path.is_file():
            raise Missing(f"File {name} leads out of CREDENTIALS_DIR.")
        with path.open(encoding="utf-8") as opened:
            secret = opened.read(MAX_SECRET_CHARS + 1).strip()
    except (OSError, RuntimeError, UnicodeDecodeError):
        raise Missing(f"File {name} in CREDENTIALS_DIR cannot be read.") from None
    if not secret or len(secret) > MAX_SECRET_CHARS:
        raise Missing(f"File {name} in CREDENTIALS_DIR holds no secret of at most {MAX_SECRET_CHARS} characters.")
    return secret

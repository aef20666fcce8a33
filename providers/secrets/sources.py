"""Where secrets are kept outside of the database: in variables that the settings let providers name, and in the files of one
folder, such as one that an orchestrator mounts.

Who may configure a provider may not read any variable and any file of the portal's machines: the database's own password is
one, too.
"""

import os
import re
from pathlib import Path

from django.conf import settings

ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # one within the folder: no separator, no dot in front
MAX_SECRET_CHARS = 32_768


class Missing(Exception):
    """A secret is not where it was said to be, or must not be taken from there; the message says which."""


def variable_problem(name: str) -> str | None:
    """What keeps a provider from naming a variable, as a sentence; None when it may."""
    if not ENVIRONMENT_NAME.fullmatch(name):
        return "This is not the name of an environment variable."
    listed: list[str] = settings.CREDENTIAL_VARIABLES
    if any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in listed):
        return None
    allowed = ", ".join(listed) or "none"
    return f"Providers may not name the variable {name}: CREDENTIAL_VARIABLES lets them name {allowed}."


def file_problem(name: str) -> str | None:
    """What keeps a provider from naming a file, as a sentence; None when it may."""
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
        path = (folder / name).resolve(strict=True)  # mounted secrets are links, but to somewhere in the folder
        if not path.is_relative_to(folder) or not path.is_file():
            raise Missing(f"File {name} leads out of CREDENTIALS_DIR.")
        with path.open(encoding="utf-8") as opened:
            secret = opened.read(MAX_SECRET_CHARS + 1).strip()
    except (OSError, RuntimeError, UnicodeDecodeError):
        raise Missing(f"File {name} in CREDENTIALS_DIR cannot be read.") from None
    if not secret or len(secret) > MAX_SECRET_CHARS:
        raise Missing(f"File {name} in CREDENTIALS_DIR holds no secret of at most {MAX_SECRET_CHARS} characters.")
    return secret

"""The version of Batchyard, from pyproject.toml. The console, the native API and `manage.py version` show it."""

import tomllib

from config.settings.storage import BASE_DIR

VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

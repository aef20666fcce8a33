"""Which release of Batchyard this is. pyproject.toml says it once, for the console, the native API and `manage.py version`."""

import tomllib

from config.settings.storage import BASE_DIR

VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

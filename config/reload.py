"""The embedded portal for developers: it restarts when a Python file that it has loaded changes.

Django's reloader watches the files. A restart is as sudden as a crash, because waiting for calls in flight would take too
long. As after a crash, the next process takes up the slices of the last one, and it does so at once.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import django
from django.utils import autoreload
from django.utils.module_loading import import_string

from config import embedded, web

RESTART = 3  # the exit code after which Django's reloader starts the next process


def main() -> None:
    """Serve until SIGINT or SIGTERM. The process that serves is a child of this one."""
    autoreload.file_changed.connect(_start_anew)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
    try:
        autoreload.run_with_reloader(_serve)
    finally:
        if os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true":
            sys.stderr.flush()
            os._exit(0)  # else the process would wait for its workers' threads


def _serve() -> None:
    """Run the portal in a thread beside the reloader's. An error in the code ends this thread, but not the reloader."""
    django.setup()
    import_string("batches.services.core.lease.free_all")()  # models can be imported only after the setup
    with embedded.background():
        web.serve_in_thread()


def _start_anew(file_path: Path, **_: Any) -> None:
    """End this process at once if code has changed. A changed template needs no restart."""
    if file_path.suffix == ".py":
        sys.stderr.write(f"{file_path} has changed; the portal starts anew.\n")
        sys.stderr.flush()
        os._exit(RESTART)


if __name__ == "__main__":
    main()
